"""Rendering a chart into cells: chart data and a view in, characters and tags out."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, log10, nan

from tui.charts.data import Bounds, ChartData, Line
from tui.charts.decimation import Points, decimate, smooth
from tui.charts.plot import Axis, Canvas, Curve, draw, plot_columns
from tui.charts.ticks import integer_ticks, log_ticks, value_range, value_ticks
from tui.charts.view import View

FAINT = 100
"""Added to a line's tag for its raw values behind the smoothed line."""
CURSOR = 99
SELECTION = 98


LARGEST = 1e30
"""Values from here on are drawn as gaps, like infinite ones: nothing else would be visible beside them."""


@dataclass(frozen=True)
class RenderedChart:
    canvas: Canvas
    x: Axis
    y: Axis
    dots: tuple[int, int]
    """Dots per cell, across and down."""

    def column(self, x: float) -> int:
        """The column of the plot area in which ``x`` is drawn."""
        across = self.dots[0]
        return round((x - self.x.low) / (self.x.high - self.x.low) * (across * self.canvas.columns - 1)) // across

    def line(self, y: float) -> int:
        """The line of the plot area, from the top, in which ``y`` is drawn."""
        last = self.dots[1] * self.canvas.lines - 1
        return (last - round((y - self.y.low) / (self.y.high - self.y.low) * last)) // self.dots[1]

    def abscissa(self, column: int) -> float:
        """The x at the centre of a column of the plot area."""
        share = (column + 0.5) / self.canvas.columns
        return self.x.low + share * (self.x.high - self.x.low)


def render_chart(data: ChartData, view: View, width: int, height: int, *, ascii_only: bool = False) -> RenderedChart:
    """Draw ``data`` in ``height`` rows of ``width`` cells (at least 8 by 4)."""
    lines = data.lines
    low, high = view.zoom or x_range(lines)
    curves = _curves(lines, view, low, high, width, ascii_only)
    values = [y for curve in curves for y in curve.points[1]]
    y = vertical_axis(values, data.bounds, view.logarithmic, at_most=max(2, height // 2))
    columns = plot_columns(width, y)
    x = Axis(low, high, integer_ticks(low, high, max(3, columns // 6)))
    canvas = draw(curves, x, y, width, height, ascii_only=ascii_only)
    made = RenderedChart(canvas, x, y, (1, 1) if ascii_only else (2, 4))
    if not ascii_only and lines:
        _add_signs(made, lines, curves[-len(lines) :])
    for marker in data.markers:
        height_of = log10(marker.y) if view.logarithmic and marker.y > 0 else marker.y
        if low <= marker.x <= high and isfinite(height_of):
            made.canvas.put(made.column(marker.x), made.line(height_of), "★", marker.tag)
    _add_cursor(made, view)
    return made


def x_range(lines: Sequence[Line]) -> tuple[float, float]:
    """From the first to the last x of all lines; never empty."""
    ends = [x for line in lines if line.xs for x in (line.xs[0], line.xs[-1])]
    low, high = (min(ends), max(ends)) if ends else (1.0, 2.0)
    return low, high if high > low else low + 1


def _curves(lines: Sequence[Line], view: View, low: float, high: float, width: int, ascii_only: bool) -> list[Curve]:
    """The raw values, faint, and then the lines; a later line covers an earlier one."""
    raw, main = [], []
    dot = "." if ascii_only else "·"
    for line in lines:
        marker = line.ascii_marker if ascii_only else "braille"
        if view.smoothing or line.spread:
            for values in line.spread or (line.ys,):
                points = scaled(decimate(line.xs, values, low, high, width), view)
                raw.append(Curve(points, dot, FAINT + line.tag, line=False))
        points = curve_points(line, view, low, high, width)
        main.append(Curve(points, marker, line.tag))
    return raw + main


def curve_points(line: Line, view: View, low: float, high: float, columns: int) -> Points:
    """The points of a line as ``view`` shows it: decimated, smoothed, scaled.

    Smoothing after decimation is cheap and visible however long the line is. It starts a whole range to the left of
    the visible one, to have settled there.
    """
    if not view.smoothing:
        return scaled(decimate(line.xs, line.ys, low, high, columns), view)
    start = low - (high - low)
    xs, ys = decimate(line.xs, line.ys, start, high, 4 * columns, keep="mean")
    first = bisect_left(xs, low)
    return scaled((xs[first:], smooth(ys, view.smoothing)[first:]), view)


def scaled(points: Points, view: View) -> Points:
    """The points on the scale of ``view``, with a gap where a value is not drawable or has no logarithm."""
    drawable = (y if abs(y) < LARGEST else nan for y in points[1])
    if view.logarithmic:
        return points[0], [log10(y) if y > 0 else nan for y in drawable]
    return points[0], list(drawable)


def vertical_axis(values: Sequence[float], bounds: Bounds, logarithmic: bool, at_most: int) -> Axis:
    """From a round value below ``values`` to one above, within ``bounds``; a logarithmic axis ends at the data."""
    low, high = value_range(values)
    if logarithmic:
        return Axis(low, high, log_ticks(low, high, at_most))
    ticks = value_ticks(max(low, bounds.low), min(high, bounds.high), at_most)
    low, high = max(bounds.low, ticks[0][0]), min(bounds.high, ticks[-1][0])
    return Axis(low, high, [tick for tick in ticks if low <= tick[0] <= high])


def _add_signs(made: RenderedChart, lines: Sequence[Line], curves: Sequence[Curve]) -> None:
    """Put the signs on the lines, staggered so that few of them coincide."""
    for index, (line, curve) in enumerate(zip(lines, curves, strict=True)):
        if not line.sign:
            continue
        wanted = index * line.sign_every // len(lines)
        points = {made.column(x): y for x, y in zip(*curve.points, strict=True) if isfinite(y)}
        for column in sorted(points):
            if column >= wanted or column == max(points):
                made.canvas.put(column, made.line(points[column]), line.sign, line.tag)
                wanted = column + line.sign_every


def _add_cursor(made: RenderedChart, view: View) -> None:
    if view.cursor is None or not made.x.low <= view.cursor <= made.x.high:
        return
    column = made.column(view.cursor)
    for line in range(made.canvas.lines):
        made.canvas.put(column, line, "│", CURSOR, over=False)
    if view.selection is not None:
        first, last = (made.column(end) for end in view.selection)
        rule = made.canvas.lines  # the horizontal axis is just below the area
        for cell in range(max(0, first), min(last, made.canvas.columns - 1) + 1):
            made.canvas.rows[rule][made.canvas.left + cell] = "═"
            made.canvas.tags[rule][made.canvas.left + cell] = SELECTION
