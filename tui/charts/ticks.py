"""Axes: their range, ticks and labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, inf, isfinite, log10

Tick = tuple[float, str]
"""Position on the axis and label."""


@dataclass(frozen=True)
class Axis:
    low: float
    """What the first dot stands for."""
    high: float
    """What the last dot stands for."""
    ticks: Sequence[Tick]


@dataclass(frozen=True)
class Bounds:
    """Limits of the vertical axis that the data cannot exceed, such as 0 and 100%."""

    low: float = -inf
    high: float = inf


DENSEST = 8
"""Rows per tick at most: a tall chart has more ticks instead of wider gaps."""


def value_axis(values: Sequence[float], bounds: Bounds, rows: int, dots: int) -> Axis:
    """The narrowest axis over ``values`` on which every tick is a round value in the middle of a row.

    Args:
        rows: rows of the chart, at least 2; ticks stand at even distances of rows.
        dots: dots per row, 4 or 1; the tick's is the second from below, so that a value at a bound lies within.
    """
    low, high = value_range(values)
    low, high = max(low, bounds.low), min(high, bounds.high)
    if low >= high:
        low, high = (high - 1, high) if isfinite(high) else (low, low + 1)
    below, above = (0.25, 0.5) if dots > 1 else (0.0, 0.0)  # of a row, beyond the middle of the outermost rows
    if rows - 1 + above <= 1 and low < 0 < high:  # no two neighbouring multiples are on both sides of zero
        return Axis(low, high, [(low, _short_value(low)), (high, _short_value(high))])
    spacings = range(1 if rows < 6 else 2, max(1, min(rows // 2, DENSEST)) + 1)
    wanted = max(2, round(rows / 5))
    found: list[tuple[float, float, int]] = []
    for spacing in spacings:
        step = _round_step((high - low) * spacing / (rows - 1 + above), 2)
        for _ in range(80):  # a value far from zero may be a multiple of many round steps
            first = _first_row(low, step / spacing, bounds, rows, below)
            if (first + rows - 1 + above) * step / spacing >= high * (1 - 1e-12 * (high > 0)):
                break
            step = _round_step(step * 1.01, 2)
        # Some room is traded for a reasonable number of ticks.
        found.append((step / spacing * (1 + 0.05 * abs(spacing - wanted)), step / spacing, spacing))
    _, per_row, spacing = min(found)
    first = _first_row(low, per_row, bounds, rows, below)
    step = per_row * spacing
    multiples = range(ceil(first / spacing), floor((first + rows - 1) / spacing) + 1)
    axis_low, axis_high = (first - below) * per_row, (first + rows - 1 + above) * per_row
    return Axis(axis_low, axis_high, [(tick * step, _value_label(tick * step, step)) for tick in multiples])


def _first_row(low: float, per_row: float, bounds: Bounds, rows: int, below: float) -> int:
    """The lowest row in multiples of ``per_row``: at or below ``low``, and no higher than the upper bound requires."""
    first = floor(low / per_row + below + 1e-9)
    if isfinite(bounds.high):
        first = min(first, floor(bounds.high / per_row + 1e-9) - (rows - 1))
    return max(first, ceil(bounds.low / per_row - 1e-9)) if isfinite(bounds.low) else first


def log_axis(values: Sequence[float], rows: int, dots: int) -> Axis:
    """An axis over ``values``, which are log10 of what is shown; labels say what is shown.

    Powers of ten stand in the middle of rows, at even distances, where the range has them and there is room.
    """
    low, high = value_range(values)
    below, above = (0.25, 0.5) if dots > 1 else (0.0, 0.0)
    if ceil(low) <= floor(high):
        for spare in (1, 2):  # aligning a power of ten with a row costs less than a row, so the second always fits
            per_decade = floor((rows - spare + below + above) / (high - low))
            first = floor(low * per_decade + below)
            if per_decade >= 2 and first + rows - 1 + above >= high * per_decade:
                low, high = (first - below) / per_decade, (first + rows - 1 + above) / per_decade
                break
    per_row = (high - low) / (rows - 1 + below + above)

    def row_of(at: float) -> float:
        return (at - low) / per_row - below

    ticks = [tick for tick in log_ticks(low, high, max(2, rows // 2)) if abs(row_of(tick[0]) % 1 - 0.5) >= 0.25]
    if len(ticks) < 2:  # too narrow a range for round values: label every few rows with the value there
        rows_of_ticks = range(0, rows, max(2, rows // 4))
        ticks = [(at := low + (row + below) * per_row, f"{10**at:.3g}") for row in rows_of_ticks]
    return Axis(low, high, ticks)


def value_range(values: Sequence[float]) -> tuple[float, float]:
    """The smallest and largest finite value, widened where they are equal; (0, 1) if there is none."""
    finite = [value for value in values if isfinite(value)]
    if not finite:
        return 0.0, 1.0
    low, high = min(finite), max(finite)
    largest = max(abs(low), abs(high))
    if high - low <= max(1e-9 * largest, 1e-30):
        margin = largest * 0.1 if largest > 1e-20 else 1.0
        return low - margin, high + margin
    return low, high


def integer_ticks(low: float, high: float, at_most: int) -> list[Tick]:
    """Round integers for epochs and steps, at most ``at_most`` (at least 2)."""
    step = max(1, ceil(_round_step(high - low, at_most)))
    if step == 3:  # 2.5 rounded up
        step = 5
    first = ceil(low / step) * step
    ticks = [(float(tick), short_count(tick)) for tick in range(first, floor(high) + 1, step)]
    if ceil(low) == 1 and step > 1 and ticks:  # epochs count from 1, where the curve starts
        ticks.insert(0, (1.0, "1"))
    return ticks or [(float(end), short_count(end)) for end in sorted({ceil(low), floor(high)})]


def _value_label(value: float, step: float) -> str:
    """The value with as many decimals as all multiples of ``step`` need."""
    exact = (decimals for decimals in range(7) if abs(round(step, decimals) - step) <= 1e-6 * step)
    decimals = next(exact, None)
    if decimals is None or step >= 1e4 or abs(value) >= 1e6:
        return _short_value(value)
    return f"{value:.{decimals}f}"


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
    """The smallest of 1, 2, 2.5, 5 × 10ⁿ that divides ``span`` into fewer than ``at_most`` parts."""
    rough = span / max(1, at_most - 1)
    if rough <= 0:
        return 1.0
    magnitude = 10.0 ** floor(log10(rough))
    return next(m * magnitude for m in (1, 2, 2.5, 5, 10) if m * magnitude >= rough * (1 - 1e-9))


def _short_value(value: float) -> str:
    """``0.02``, ``20``, ``2e4``, ``2.5e7``."""
    if value == 0 or 1e-3 <= abs(value) < 1e4:
        return f"{value:.3g}"
    mantissa, _, exponent = f"{value:.1e}".partition("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"
