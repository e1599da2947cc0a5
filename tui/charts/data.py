"""What a chart shows (lines, markers, bounds; smoothed, and reduced to its width), and how keys change its view."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
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
    """Appended to the labels of the vertical axis, such as ``%``."""
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


@dataclass(frozen=True)
class View:
    """How lines are shown."""

    smoothing: float = 0.0
    logarithmic: bool = False
    clip_outliers: bool = False
    """Whether the vertical axis leaves out outliers."""
    zoom: tuple[float, float] | None = None
    cursor: float | None = None
    anchor: float | None = None
    """The other end of the selection, which extends from the cursor."""

    @property
    def selection(self) -> tuple[float, float] | None:
        if self.cursor is None or self.anchor is None or self.cursor == self.anchor:
            return None
        return min(self.cursor, self.anchor), max(self.cursor, self.anchor)


NARROWEST = 1.0
"""Smallest zoomed range in epochs or steps."""


def move_cursor(view: View, xs: Sequence[float], columns: int, by: int, *, select: bool = False) -> View:
    """Move the cursor ``by`` values to the right, or by columns where a column covers several values.

    The cursor starts at the last value and disappears beyond it, so that the title follows the run again. With
    ``select`` the range it passes is selected.
    """
    first, end = _visible(view, xs)
    if first == end:
        return view
    if view.cursor is None:
        if by > 0:
            return view
        target = end - 1
        anchor = xs[target] if select else None
    else:
        target = bisect_left(xs, view.cursor, first, end) + by * max(1, (end - first) // max(1, columns))
        anchor = (view.cursor if view.anchor is None else view.anchor) if select else None
        if target >= end and not select:
            return replace(view, cursor=None, anchor=None)
    return replace(view, cursor=xs[max(first, min(target, end - 1))], anchor=anchor)


def put_cursor(view: View, xs: Sequence[float], x: float) -> View:
    """Put the cursor on the value nearest to ``x``."""
    first, end = _visible(view, xs)
    if first == end:
        return view
    right = bisect_left(xs, x, first, end)
    near = range(max(first, right - 1), min(end, right + 1))
    return replace(view, cursor=xs[min(near, key=lambda i: abs(xs[i] - x))], anchor=None)


def zoom_in(view: View, xs: Sequence[float]) -> View:
    """Zoom to the selection, or else to half of the range in view: around the cursor, or its end."""
    if not xs:
        return view
    if view.selection is not None:
        low, high = view.selection
    else:
        first, last = view.zoom or (xs[0], xs[-1])
        half = (last - first) / 2
        middle = last - half / 2 if view.cursor is None else view.cursor
        low = max(first, min(middle - half / 2, last - half))
        high = low + half
    if high - low < NARROWEST:
        return view
    return replace(view, zoom=(low, high), anchor=None)


def select(view: View, xs: Sequence[float], first: float, last: float) -> View:
    """Select from the value nearest to ``first`` to the one nearest to ``last``, where the cursor goes."""
    start, end = (put_cursor(view, xs, x).cursor for x in (first, last))
    return replace(view, anchor=start, cursor=end)


def zoom_at(view: View, xs: Sequence[float], x: float, factor: float) -> View:
    """Zoom by ``factor`` (below 1 is closer) so that ``x`` stays where it is."""
    if not xs:
        return view
    first, last = view.zoom or (xs[0], xs[-1])
    low, high = x - (x - first) * factor, x + (last - x) * factor
    low, high = max(xs[0], low), min(xs[-1], high)
    if high - low >= xs[-1] - xs[0]:
        return replace(view, zoom=None)
    return view if high - low < NARROWEST else replace(view, zoom=(low, high))


def go_back(view: View) -> View:
    """Clear the selection; if there is none, the zoom; then the cursor."""
    if view.anchor is not None:
        return replace(view, anchor=None)
    if view.zoom is not None:
        return replace(view, zoom=None)
    return replace(view, cursor=None)


def _visible(view: View, xs: Sequence[float]) -> tuple[int, int]:
    if view.zoom is None:
        return 0, len(xs)
    return bisect_left(xs, view.zoom[0]), bisect_right(xs, view.zoom[1])
