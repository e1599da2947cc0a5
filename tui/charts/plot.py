"""Curves drawn into character cells by plotext; the only module that uses it.

plotext gets decimated, finite-or-NaN data, ready ticks, and a number per curve in place of a colour; the result is
plain characters with these numbers, to be styled by the caller. plotext keeps its figure in one global object, so draw
only in the event loop's thread.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from textual_plotext.plot import Plot

from tui.charts.decimation import Points
from tui.charts.ticks import Tick

_RUN = re.compile(r"(?:\x1b\[38;5;(\d+)m)?([^\x1b]*)\x1b\[0m")
_ASCII_AXES = str.maketrans("┤│└┬─┼", "||++-+")
_BRAILLE = frozenset(map(chr, range(0x2800, 0x2900)))
_plot = Plot()


@dataclass(frozen=True)
class Curve:
    """Points joined by a line, or scattered (``line=False``)."""

    points: Points
    marker: str
    """``braille``, ``hd`` (quarter blocks), or a character."""
    tag: int
    """1 to 255, returned with the cells of this curve; a later curve covers an earlier one."""
    line: bool = True


@dataclass(frozen=True)
class Axis:
    low: float
    high: float
    ticks: Sequence[Tick]


@dataclass
class Canvas:
    """Rows of characters, and the tag of the curve that each shows (0: axes and background)."""

    rows: list[list[str]]
    tags: list[list[int]]
    left: int
    """First column of the plot area, right of the vertical axis."""
    columns: int
    """Columns of the plot area."""
    lines: int
    """Lines of the plot area."""

    def put(self, column: int, line: int, character: str, tag: int, *, over: bool = True) -> None:
        """Set one cell of the plot area; with ``over=False`` only if it is blank."""
        if 0 <= column < self.columns and 0 <= line < self.lines:
            column += self.left
            if over or self.rows[line][column] == " ":
                self.rows[line][column] = character
                self.tags[line][column] = tag


def plot_columns(width: int, y: Axis) -> int:
    """The columns left for the plot area beside the vertical axis and its labels."""
    return width - _left(y)


def draw(curves: Sequence[Curve], x: Axis, y: Axis, width: int, height: int, *, ascii_only: bool = False) -> Canvas:
    """Draw the curves with a left and a lower axis in ``height`` rows of ``width`` cells (at least 8 by 4)."""
    points, lines = [c for c in curves if not c.line], [c for c in curves if c.line]
    canvas = _build([*points, *lines[:1]], x, y, width, height)
    for line in lines[1:]:
        _lay_over(canvas, _build([line], x, y, width, height))
    if ascii_only:
        canvas.rows = [list("".join(row).translate(_ASCII_AXES)) for row in canvas.rows]
    return canvas


def _build(curves: Sequence[Curve], x: Axis, y: Axis, width: int, height: int) -> Canvas:
    labels = max((len(label) for _, label in y.ticks), default=0)
    _plot.clear_figure()
    _plot.theme("clear")
    _plot.plot_size(width, height)
    _plot._set_size(width, height)  # plot_size clips to the terminal it detects, or to 80 columns
    _plot.xaxes(True, False)
    _plot.yaxes(True, False)
    _plot.xlim(x.low, x.high)
    _plot.ylim(y.low, y.high)
    _plot.xticks([at for at, _ in x.ticks], [label for _, label in x.ticks])
    _plot.yticks([at for at, _ in y.ticks], [label.rjust(labels) for _, label in y.ticks])
    for curve in curves:
        if curve.points[0]:
            add = _plot.plot if curve.line else _plot.scatter
            add(*curve.points, marker=curve.marker, color=curve.tag)
    if not any(curve.points[0] for curve in curves):
        _plot.scatter([x.low], [y.low], marker=" ")  # without data plotext draws no axes
    rows, tags = _cells(_plot.build(), width)
    _plot.clear_figure()
    return Canvas(rows, tags, left=_left(y), columns=width - _left(y), lines=height - 2)


def _lay_over(below: Canvas, above: Canvas) -> None:
    """Lay a curve over others. In a shared cell plotext would hide the earlier one; here both keep their dots."""
    for line, tags in enumerate(above.tags):
        for column, tag in enumerate(tags):
            if tag:
                dots, others = above.rows[line][column], below.rows[line][column]
                if dots in _BRAILLE and others in _BRAILLE:
                    dots = chr(ord(dots) | ord(others))
                below.rows[line][column], below.tags[line][column] = dots, tag


def _left(y: Axis) -> int:
    return max((len(label) for _, label in y.ticks), default=0) + 1


def _cells(ansi: str, width: int) -> tuple[list[list[str]], list[list[int]]]:
    rows: list[list[str]] = []
    tags: list[list[int]] = []
    for line in ansi.splitlines():
        characters: list[str] = []
        numbers: list[int] = []
        for tag, text in _RUN.findall(line):
            characters += text
            numbers += [int(tag or 0)] * len(text)
        missing = width - len(characters)
        rows.append((characters + [" "] * missing)[:width])
        tags.append((numbers + [0] * missing)[:width])
    return rows, tags
