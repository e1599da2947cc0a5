"""Rendering a chart into cells: chart data and a view in, characters and tags out."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import inf, isfinite, log10, nan

from tui.charts.data import ChartData, Line, Points, View, decimate, smooth
from tui.charts.plot import Canvas, Curve, Grid, axis_width, draw
from tui.charts.ticks import Axis, Tick, integer_ticks, log_axis, value_axis
from tui.formatting import shortened

FAINT = 100
"""Added to a line's tag for its raw values behind the smoothed line."""
CURSOR = 99
SELECTION = 98

LARGEST = 1e30
"""Values from here on are drawn as gaps, like infinite ones: nothing else would be visible beside them."""
FAR_OUT = 3.0
"""Interquartile ranges beyond the quartiles from which a value is an outlier (Tukey 1977, "far out")."""
COLUMNS_PER_TICK = 9
"""Columns per horizontal tick at least: its label, and room for the axis's unit between two."""


@dataclass(frozen=True)
class RenderedChart:
    canvas: Canvas
    grid: Grid
    clipped: int
    """Outliers that are marked at the edge instead of being drawn."""


def render_chart(
    data: ChartData, view: View, width: int, height: int, *, unit: str = "epoch", ascii_only: bool = False
) -> RenderedChart:
    """Draw ``data`` in ``height`` rows of ``width`` cells (at least 8 by 4); ``unit`` is what the x axis counts."""
    low, high = (0.5, len(data.columns) + 0.5) if data.columns else view.zoom or x_range(data.lines)
    if low == high:  # a single epoch is a single point, in the middle
        low, high = low - 0.5, high + 0.5
    raw, main, crossings = _curves(data.lines, view, low, high, width, ascii_only)
    values = [y for _, ys in (*(curve.points for curve in (*raw, *main)), *crossings) for y in ys]
    floor, ceiling = fences([y for curve in main for y in curve.points[1]]) if view.clip_outliers else (-inf, inf)
    values = [y for y in values if floor <= y <= ceiling]
    rows, across, up = height - 2, 1 if ascii_only else 2, 1 if ascii_only else 4
    y = log_axis(values, rows, up) if view.logarithmic else value_axis(values, data.bounds, rows, up)
    y = replace(y, ticks=[(at, f"{label}{data.unit}") for at, label in y.ticks])
    columns = width - axis_width(y)
    numbers = integer_ticks(low, high, max(2, columns // COLUMNS_PER_TICK))
    x = Axis(low, high, _column_ticks(data.columns, columns) or numbers)
    grid = Grid(columns, rows, across, up, x, y)
    kept = [_within(curve, floor, ceiling) for curve in (*raw, *main)]
    lines = [_within(_to_frame(*pair), floor, ceiling) for pair in zip(main, crossings, strict=True)]
    canvas = draw([*kept[: len(raw)], *lines], grid, unit, ascii_only=ascii_only)
    for line, curve in zip(data.lines, main, strict=True):
        for at, value in zip(*curve.points, strict=True):
            if value > ceiling or value < floor:
                mark = ("^" if ascii_only else "▲") if value > ceiling else ("v" if ascii_only else "▼")
                canvas.put(grid.column(at), 0 if value > ceiling else rows - 1, mark, line.tag)
    for line in data.lines:
        if line.spread is not None:
            _fill_band(canvas, grid, line, view, ":" if ascii_only else "░")
    if not ascii_only:
        _add_signs(canvas, grid, data.lines, kept[len(raw) :])
    for marker in data.markers:
        height_of = log10(marker.y) if view.logarithmic and marker.y > 0 else marker.y
        if low <= marker.x <= high and isfinite(height_of) and floor <= height_of <= ceiling:
            canvas.put(grid.column(marker.x), grid.line(height_of), "★", marker.tag)
    _add_cursor(canvas, grid, view)
    clipped = sum(not floor <= value <= ceiling for curve in main for value in curve.points[1] if isfinite(value))
    return RenderedChart(canvas, grid, clipped)


def _column_ticks(names: Sequence[str], columns: int) -> list[Tick]:
    """A label under each named column, cut to the room between two."""
    room = max(2, columns // max(1, len(names)) - 1)
    return [(float(number), shortened(name, room)) for number, name in enumerate(names, start=1)]


def fences(values: Sequence[float]) -> tuple[float, float]:
    """The values beyond which others are outliers; infinite where there are too few to tell."""
    finite = sorted(value for value in values if isfinite(value))
    if len(finite) < 4:
        return -inf, inf
    lower, upper = finite[len(finite) // 4], finite[(3 * len(finite)) // 4]
    spread = FAR_OUT * (upper - lower)
    return lower - spread, upper + spread


def _within(curve: Curve, low: float, high: float) -> Curve:
    """The curve with a gap for every value out of range."""
    xs, ys = curve.points
    if all(low <= y <= high for y in ys if isfinite(y)):
        return curve
    return replace(curve, points=(xs, [y if low <= y <= high else nan for y in ys]))


def x_range(lines: Sequence[Line]) -> tuple[float, float]:
    """From the first to the last x of all lines."""
    ends = [x for line in lines if line.xs for x in (line.xs[0], line.xs[-1])]
    return (min(ends), max(ends)) if ends else (1.0, 2.0)


def _curves(
    lines: Sequence[Line], view: View, low: float, high: float, width: int, ascii_only: bool
) -> tuple[list[Curve], list[Curve], list[Points]]:
    """The raw values, faint, the lines, and where these cross the frame; a later line covers an earlier one."""
    raw: list[Curve] = []
    main: list[Curve] = []
    crossings: list[Points] = []
    dot = "." if ascii_only else "·"
    for line in lines:
        marker = line.ascii_marker if ascii_only else "braille"
        if view.smoothing or line.spread:
            for values in line.spread or (line.ys,):
                points = scaled(decimate(line.xs, values, low, high, width), view)
                raw.append(Curve(points, dot, FAINT + line.tag, line=False))
        points, crossing = curve_points(line, view, low, high, width)
        crossings.append(crossing)
        main.append(Curve(points, marker, line.tag, dashed=line.dashed))
    return raw, main, crossings


def curve_points(line: Line, view: View, low: float, high: float, columns: int) -> tuple[Points, Points]:
    """The points of a line as ``view`` shows it (decimated, smoothed, scaled), and those where it crosses the frame.

    Smoothing after decimation is cheap and visible however long the line is. It starts a whole range to the left of
    the visible one, to have settled there.
    """
    before, after = bisect_left(line.xs, low) - 1, bisect_right(line.xs, high)
    if view.smoothing:
        xs, ys = decimate(line.xs, line.ys, low - (high - low), high, 4 * columns, keep="mean")
    else:
        xs, ys = decimate(line.xs, line.ys, low, high, columns)
        if before >= 0:
            xs, ys = [line.xs[before], *xs], [line.ys[before], *ys]
    if after < len(line.xs):
        xs, ys = [*xs, line.xs[after]], [*ys, line.ys[after]]
    xs, ys = scaled((xs, smooth(ys, view.smoothing) if view.smoothing else ys), view)
    first, end = bisect_left(xs, low), bisect_right(xs, high)
    crossings = [
        (x, ys[i - 1] + (x - xs[i - 1]) / (xs[i] - xs[i - 1]) * (ys[i] - ys[i - 1]))
        for x, i in ((low, first), (high, end))
        if 0 < i < len(xs) and xs[i - 1] < x < xs[i]
    ]
    return (xs[first:end], ys[first:end]), ([x for x, _ in crossings], [y for _, y in crossings])


def _to_frame(curve: Curve, crossings: Points) -> Curve:
    """The curve with the points where it crosses the frame."""
    points = sorted([*zip(*curve.points, strict=True), *zip(*crossings, strict=True)], key=lambda point: point[0])
    return replace(curve, points=([x for x, _ in points], [y for _, y in points])) if crossings[0] else curve


def scaled(points: Points, view: View) -> Points:
    """The points on the scale of ``view``, with a gap where a value is not drawable or has no logarithm."""
    drawable = (y if abs(y) < LARGEST else nan for y in points[1])
    if view.logarithmic:
        return points[0], [log10(y) if y > 0 else nan for y in drawable]
    return points[0], list(drawable)


def _fill_band(canvas: Canvas, grid: Grid, line: Line, view: View, shade: str) -> None:
    """Shade the blank cells between the two ends of a line's spread."""
    assert line.spread is not None
    low, high = (
        _by_column(grid, scaled(decimate(line.xs, values, grid.x.low, grid.x.high, canvas.columns), view))
        for values in line.spread
    )
    for column in low.keys() & high.keys():
        for row in range(max(0, grid.line(high[column])), min(canvas.lines - 1, grid.line(low[column])) + 1):
            canvas.put(column, row, shade, FAINT + line.tag, over=False)


def _by_column(grid: Grid, points: Points) -> dict[int, float]:
    """Column → the height of the line through the points there."""
    heights: dict[int, float] = {}
    for (x, y), (after, then) in pairwise(zip(*points, strict=True)):
        if isfinite(y) and isfinite(then) and after > x:
            for column in range(grid.column(x), grid.column(after) + 1):
                share = min(1.0, max(0.0, (grid.abscissa(column) - x) / (after - x)))
                heights[column] = y + share * (then - y)
    return heights


def _add_signs(canvas: Canvas, grid: Grid, lines: Sequence[Line], curves: Sequence[Curve]) -> None:
    """Put the signs on the lines, in cells that hold a point, staggered so that few of them coincide."""
    for index, (line, curve) in enumerate(zip(lines, curves, strict=True)):
        if not line.sign:
            continue
        wanted = index * line.sign_every // len(lines)
        points = {grid.column(x): y for x, y in zip(*curve.points, strict=True) if isfinite(y)}
        for column in sorted(points):
            if column >= wanted or column == max(points):
                canvas.put(column, grid.line(points[column]), line.sign, line.tag)
                wanted = column + line.sign_every


def _add_cursor(canvas: Canvas, grid: Grid, view: View) -> None:
    if view.cursor is None or not grid.x.low <= view.cursor <= grid.x.high:
        return
    column = grid.column(view.cursor)
    for line in range(canvas.lines):
        canvas.put(column, line, "│", CURSOR, over=False)
    if view.selection is not None:
        first, last = (grid.column(end) for end in view.selection)
        rule = canvas.lines  # the horizontal axis is just below the area
        for cell in range(max(0, first), min(last, canvas.columns - 1) + 1):
            canvas.rows[rule][canvas.left + cell] = "═"
            canvas.tags[rule][canvas.left + cell] = SELECTION
