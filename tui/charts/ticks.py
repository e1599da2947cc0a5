"""Ticks of an axis and their labels."""

from collections.abc import Sequence
from math import ceil, floor, isfinite, log10

Tick = tuple[float, str]
"""Position on the axis and label."""


def value_range(values: Sequence[float]) -> tuple[float, float]:
    """The smallest and largest finite value, widened where they are equal; (0, 1) if there is none."""
    finite = [value for value in values if isfinite(value)]
    if not finite:
        return 0.0, 1.0
    low, high = min(finite), max(finite)
    if low == high:
        margin = abs(low) * 0.1 or 1.0
        return low - margin, high + margin
    return low, high


def integer_ticks(low: float, high: float, at_most: int) -> list[Tick]:
    """Round integers for epochs and steps, at most ``at_most`` (at least 2)."""
    step = max(1, ceil(_round_step(high - low, at_most)))
    first = ceil(low / step) * step
    ticks = [(float(tick), short_count(tick)) for tick in range(first, floor(high) + 1, step)]
    if ceil(low) == 1 and step > 1 and ticks:  # epochs count from 1, where the curve starts
        ticks.insert(0, (1.0, "1"))
    return ticks or [(float(end), short_count(end)) for end in sorted({ceil(low), floor(high)})]


def value_ticks(low: float, high: float, at_most: int) -> list[Tick]:
    """Round values with the same number of decimals, from the last one below ``low`` to the first above ``high``."""
    step = _round_step(high - low, at_most)
    decimals = max(0, -floor(log10(step) + 1e-9))
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    if step >= 1e4:
        return [(tick * step, _short_value(tick * step)) for tick in range(first, last + 1)]
    return [(tick * step, f"{tick * step:.{decimals}f}") for tick in range(first, last + 1)]


def log_ticks(low: float, high: float, at_most: int) -> list[Tick]:
    """Ticks for data whose log10 runs from ``low`` to ``high``: as many mantissas per decade as fit."""
    for mantissas in (range(1, 10), (1, 2, 5), (1, 3), (1,)):
        ticks = [
            (log10(mantissa) + exponent, _short_value(mantissa * 10.0**exponent))
            for exponent in range(floor(low), ceil(high) + 1)
            for mantissa in mantissas
            if low <= log10(mantissa) + exponent <= high
        ]
        if len(ticks) <= at_most:
            break
    else:
        ticks = ticks[:: ceil(len(ticks) / at_most)]
    if len(ticks) >= 2:
        return ticks
    return [(value, _short_value(10**value)) for value in (low, high)]  # too narrow a range: label its ends


def short_count(count: int) -> str:
    """1234 → ``1234``, 20000 → ``20k``, 1500000 → ``1.5M``."""
    for size, unit in ((1_000_000, "M"), (1_000, "k")):
        if count >= size and count * 10 % size == 0:
            return f"{count / size:g}{unit}"
    return str(count)


def _round_step(span: float, at_most: int) -> float:
    """The smallest of 1, 2, 5 × 10ⁿ that divides ``span`` into fewer than ``at_most`` parts."""
    rough = span / max(1, at_most - 1)
    if rough <= 0:
        return 1.0
    magnitude = 10.0 ** floor(log10(rough))
    return next(m * magnitude for m in (1, 2, 5, 10) if m * magnitude >= rough * (1 - 1e-9))


def _short_value(value: float) -> str:
    """``0.02``, ``20``, ``2e4``, ``2.5e7``."""
    if value == 0 or 1e-3 <= abs(value) < 1e4:
        return f"{value:.3g}"
    mantissa, _, exponent = f"{value:.1e}".partition("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"
