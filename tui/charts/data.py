"""What a chart shows: named lines, markers and bounds; smoothed, and reduced to what its width can show."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import isfinite, nan
from typing import Literal

from tui.charts.ticks import Bounds


@dataclass(frozen=True)
class Line:
    """A named line. ``xs`` ascends; a NaN or infinite y is a gap."""

    name: str
    tag: int
    xs: Sequence[float]
    ys: Sequence[float]
    ascii_marker: str = "*"
    """Character of the line in ASCII, where there is no braille."""
    dashed: bool = False
    """Distinguishes it without colour."""
    sign: str = ""
    """Character put on the line, at most every ``sign_every`` columns, to distinguish it among several."""
    sign_every: int = 14
    spread: tuple[Sequence[float], Sequence[float]] | None = None
    """For each x the lowest and highest of the values averaged into y."""

    def nearest(self, x: float) -> int | None:
        """The index of the value closest to ``x``."""
        if not self.xs:
            return None
        right = bisect_left(self.xs, x)
        near = range(max(0, right - 1), min(len(self.xs), right + 1))
        return min(near, key=lambda i: abs(self.xs[i] - x))


@dataclass(frozen=True)
class Marker:
    """A point with a star."""

    x: float
    y: float
    tag: int


@dataclass(frozen=True)
class ChartData:
    """The content of one chart."""

    title: str
    lines: Sequence[Line]
    bounds: Bounds = field(default_factory=Bounds)
    markers: Sequence[Marker] = ()
    format: Callable[[float], str] = "{:g}".format
    """Formats a value for the title."""
    unit: str = ""
    """After the labels of the vertical axis, such as ``%``."""
    logarithmic: bool = True
    """Whether a logarithmic scale suits it."""
    empty: str = ""
    """Shown while there are no values."""
    columns: Sequence[str] = ()
    """Names of the x values 1, 2, …, where they are not numbers on an axis."""


Points = tuple[list[float], list[float]]
"""x values and y values; a NaN y is a gap."""


def decimate(
    xs: Sequence[float],
    ys: Sequence[float],
    low: float,
    high: float,
    columns: int,
    keep: Literal["extremes", "mean"] = "extremes",
) -> Points:
    """The points of ``low`` ≤ x ≤ ``high``, at most two for each of ``columns`` equal columns.

    ``xs`` ascends. A column with several points keeps its minimum and maximum in their original order, so that no
    spike is lost, or with ``keep="mean"`` their mean. NaN and infinite values are dropped from a column that has
    others, and give a NaN in one that has not.
    """
    first, end = bisect_left(xs, low), bisect_right(xs, high)
    if end - first <= columns:
        return list(xs[first:end]), [y if isfinite(y) else nan for y in ys[first:end]]
    kept_x: list[float] = []
    kept_y: list[float] = []
    for start, stop in _columns(xs, first, end, low, high, columns):
        column_x, column_y = xs[start:stop], ys[start:stop]
        if not isfinite(sum(column_y)):  # fast check that all are finite
            finite = [(x, y) for x, y in zip(column_x, column_y, strict=True) if isfinite(y)]
            column_x, column_y = [x for x, _ in finite], [y for _, y in finite]
        if not column_y:
            kept_x.append(xs[start])
            kept_y.append(nan)
        elif keep == "mean":
            kept_x.append(sum(column_x) / len(column_x))
            kept_y.append(sum(column_y) / len(column_y))
        else:
            for i in sorted({column_y.index(min(column_y)), column_y.index(max(column_y))}):
                kept_x.append(column_x[i])
                kept_y.append(column_y[i])
    return kept_x, kept_y


def _columns(
    xs: Sequence[float], first: int, end: int, low: float, high: float, columns: int
) -> Iterator[tuple[int, int]]:
    """The index ranges of the columns that contain points."""
    start, width = first, (high - low) / columns
    for column in range(1, columns + 1):
        stop = end if column == columns else bisect_left(xs, low + column * width, start, end)
        if stop > start:
            yield start, stop
        start = stop


def smooth(values: Sequence[float], weight: float) -> list[float]:
    """Exponential moving average with bias correction, as TensorBoard's smoothing slider computes it.

    ``weight`` in [0, 1) is the weight of the past; 0 returns the values themselves. A NaN or infinite value gives NaN
    in its place and leaves the average unchanged, so that a gap stays a gap.
    """
    if not 0 <= weight < 1:
        raise ValueError(f"weight must be in [0, 1), not {weight}")
    average, share, smoothed = 0.0, 0.0, []
    for value in values:
        if isfinite(value):
            average = weight * average + (1 - weight) * value
            share = weight * share + (1 - weight)
            smoothed.append(average / share)
        else:
            smoothed.append(nan)
    return smoothed
