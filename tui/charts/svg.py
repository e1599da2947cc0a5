"""A chart as an SVG file: the picture on the screen in vectors, for papers and mails."""

from collections.abc import Sequence
from html import escape
from math import isfinite

from tui.charts.data import ChartData
from tui.charts.decimation import Points
from tui.charts.plot import Axis
from tui.charts.render import curve_points, vertical_axis, x_range
from tui.charts.ticks import integer_ticks
from tui.charts.view import View

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 44, 48
"""Margins around the curves."""
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#7f7f7f")
"""Okabe & Ito (2008): told apart with every common colour vision deficiency, and on white paper."""
DASHES = ("", "7 4", "2 3", "10 3 2 3", "12 4", "4 2", "1 2", "8 2 2 2 2 2")
"""A pattern of its own for each line, so that colour does not carry it alone."""
POINTS = 2000
"""Points of a line at most, twice over."""


def svg(subject: ChartData, view: View, title: str, unit: str) -> str:
    """The chart of ``subject`` as ``view`` has it: zoomed range, smoothing and scale, without the cursor."""
    lines = subject.lines
    low, high = view.zoom or x_range(lines)
    curves = [curve_points(line, view, low, high, POINTS) for line in lines]
    x = Axis(low, high, integer_ticks(low, high, 10))
    y = vertical_axis([value for _, ys in curves for value in ys], subject.bounds, view.logarithmic, at_most=7)
    scale = " (logarithmic)" if view.logarithmic else ""
    smoothed = f", smoothed {view.smoothing:g}" if view.smoothing else ""
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
            'font-size="12" fill="#333">',
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
            f'<text x="{LEFT}" y="20" font-size="14" font-weight="bold">{escape(title + scale + smoothed)}</text>',
            *_axes(x, y, unit),
            *(_polyline(points, index, x, y) for index, points in enumerate(curves)),
            *_legend([line.name for line in lines]),
            "</svg>\n",
        ]
    )


def _axes(x: Axis, y: Axis, unit: str) -> list[str]:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    made = []
    for value, label in y.ticks:
        at = _down(value, y)
        made.append(f'<path d="M{LEFT} {at:.1f}H{right}" stroke="#ddd"/>')
        made.append(f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{escape(label)}</text>')
    for value, label in x.ticks:
        at = _across(value, x)
        made.append(f'<path d="M{at:.1f} {bottom}v5" stroke="#999"/>')
        made.append(f'<text x="{at:.1f}" y="{bottom + 18}" text-anchor="middle">{escape(label)}</text>')
    made.append(f'<path d="M{LEFT} {bottom}H{right}" stroke="#999"/>')
    made.append(f'<text x="{(LEFT + right) / 2:.0f}" y="{HEIGHT - 10}" text-anchor="middle">{escape(unit)}</text>')
    return made


def _polyline(points: Points, index: int, x: Axis, y: Axis) -> str:
    """A path that is lifted at gaps; a point between two gaps is a dot."""
    steps, pen_down = [], False
    for px, py in zip(*points, strict=True):
        if isfinite(py):
            steps.append(f"{'L' if pen_down else 'M'}{_across(px, x):.1f} {_down(py, y):.1f}")
            if not pen_down:
                steps.append("h0")
        pen_down = isfinite(py)
    style = f'stroke="{COLOURS[index % len(COLOURS)]}" stroke-width="1.8" stroke-linecap="round"'
    return f'<path d="{"".join(steps)}" fill="none" {style} stroke-dasharray="{DASHES[index % len(DASHES)]}"/>'


def _legend(names: Sequence[str]) -> list[str]:
    made, at = [], WIDTH - RIGHT
    for index, name in reversed(list(enumerate(names))):
        at -= 8 * len(name)
        made.append(f'<text x="{at}" y="20">{escape(name)}</text>')
        at -= 34
        style = f'stroke="{COLOURS[index % len(COLOURS)]}" stroke-dasharray="{DASHES[index % len(DASHES)]}"'
        made.append(f'<path d="M{at} 16h28" stroke-width="1.8" {style}/>')
        at -= 12
    return made


def _across(value: float, x: Axis) -> float:
    return LEFT + (value - x.low) / (x.high - x.low) * (WIDTH - LEFT - RIGHT)


def _down(value: float, y: Axis) -> float:
    return TOP + (y.high - value) / (y.high - y.low) * (HEIGHT - TOP - BOTTOM)
