"""How numbers are written for people: one function per unit, with a dash for an unknown value."""

import time
from math import isfinite

DASH = "–"
LONGEST = 1e9
"""The longest plausible duration: 32 years."""


def loss(value: float | None) -> str:
    """``0.1714``; four significant digits when it is large."""
    if value is None or not isfinite(value):
        return DASH
    return f"{value:.4f}" if abs(value) < 100 else f"{value:.4g}"


def decimal(value: float | None, decimals: int) -> str:
    """``1,840.5``."""
    return DASH if value is None or not isfinite(value) or abs(value) >= 1e15 else f"{value:,.{decimals}f}"


def percent(fraction: float | None, decimals: int = 1) -> str:
    """0.71 → ``71.0%``."""
    return (
        DASH
        if fraction is None or not isfinite(fraction) or abs(fraction) >= 100
        else f"{fraction * 100:.{decimals}f}%"
    )


def clock(seconds: float) -> str:
    """``00:41``, ``2:03:09``, ``3 d 02:10``."""
    if not isfinite(seconds) or seconds > LONGEST:
        return DASH
    whole = max(0, round(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours:02d}:{minutes:02d}"
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes:02d}:{rest:02d}"


def local_time(seconds: float | None) -> time.struct_time | None:
    """A moment (Unix seconds) as local time; None where it is unknown or outside the calendar."""
    if seconds is None:
        return None
    try:
        return time.localtime(seconds)
    except (OverflowError, ValueError, OSError):
        return None


def gigabytes(count: float, total: float | None = None) -> str:
    """``1.9 GB``, or ``1.9/24 GB`` with the total."""
    size = decimal(count / 1e9, 1)
    return f"{size} GB" if total is None else f"{size}/{decimal(total / 1e9, 0)} GB"


def learning_rate(rate: float | None) -> str:
    """``1e-3``, ``2.5e-4``."""
    return DASH if rate is None or not isfinite(rate) else f"{rate:.1e}".replace(".0e", "e").replace("e-0", "e-")


def rate(clips_per_second: float) -> str:
    """``1,840 clips/s``, with a decimal below ten."""
    return f"{clips_per_second:,.0f} clips/s" if clips_per_second >= 10 else f"{clips_per_second:.1f} clips/s"
