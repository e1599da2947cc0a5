"""Curves drawn into character cells by plotext; the only module that uses it.

plotext gets decimated, finite-or-NaN data and a number per curve in place of a colour, and draws the lines between the
points; the result is plain characters with these numbers, to be styled by the caller. Points, lines and axes share one
grid of dots, which `Grid` defines: a dot stands for the values within half a dot of it. plotext keeps its figure in one
global object, so draw only in the event loop's thread.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, isfinite

from rich.cells import cell_len
from textual_plotext.plot import Plot

from tui.charts.data import Points
from tui.charts.ticks import Axis
from tui.formatting import characters

_RUN = re.compile(r"(?:\x1b\[38;5;(\d+)m)?([^\x1b]*)\x1b\[0m")
BRAILLE = 0x2800
_BITS = ((0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08))
"""Bit of each dot of a braille character, by column and by row from the bottom."""
_DASH, _GAP = 2, 1
"""Cells of a dash and of the gap after it."""
_plot = Plot()


@dataclass(frozen=True)
class Grid:
    """The dots of a plot area of ``columns`` by ``lines`` cells, and what they stand for."""

    columns: int
    lines: int
    across: int
    """Dots per cell, from left to right; 2 in braille, 1 in ASCII."""
    up: int
    """Dots per cell, from bottom to top; 4 in braille, 1 in ASCII."""
    x: Axis
    y: Axis

    def dot_x(self, x: float) -> int:
        """The dot nearest to ``x``, from the left."""
        return _nearest_dot(x, self.x, self.across * self.columns)

    def dot_y(self, y: float) -> int:
        """The dot nearest to ``y``, from the bottom."""
        return _nearest_dot(y, self.y, self.up * self.lines)

    def column(self, x: float) -> int:
        """The column in which ``x`` is drawn."""
        return self.dot_x(x) // self.across

    def line(self, y: float) -> int:
        """The line, from the top, in which ``y`` is drawn."""
        return self.lines - 1 - self.dot_y(y) // self.up

    def abscissa(self, column: int) -> float:
        """The x at the centre of a column."""
        return self.x.low + (column + 0.5) / self.columns * (self.x.high - self.x.low)


def _nearest_dot(value: float, axis: Axis, dots: int) -> int:
    # Rounded like plotext's, or a line could pass beside its own points.
    return floor(round(0.5 + (dots - 1) * (value - axis.low) / (axis.high - axis.low), 8))


@dataclass(frozen=True)
class Curve:
    """Points joined by a line, or scattered (``line=False``)."""

    points: Points
    marker: str
    """``braille``, or a character."""
    tag: int
    """1 to 255, returned with the cells of this curve; a later curve covers an earlier one."""
    line: bool = True
    dashed: bool = False
    """Whether the line has gaps; its points are drawn all the same."""


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


def axis_width(y: Axis) -> int:
    """Columns that the vertical axis and its labels take."""
    return max((len(label) for _, label in y.ticks), default=0) + 1


def draw(curves: Sequence[Curve], grid: Grid, unit: str, *, ascii_only: bool = False) -> Canvas:
    """The curves over ``grid`` between a vertical axis and, below them, two rows of one that counts ``unit``."""
    left = axis_width(grid.y)
    canvas = Canvas(
        [[" "] * (left + grid.columns) for _ in range(grid.lines + 2)],
        [[0] * (left + grid.columns) for _ in range(grid.lines + 2)],
        left=left,
        columns=grid.columns,
        lines=grid.lines,
    )
    for scattered in (True, False):
        for curve in curves:
            if curve.line is not scattered:
                _lay_over(canvas, _rasterised(curve, grid), curve.tag)
    _draw_axes(canvas, grid, unit, ascii_only)
    return canvas


def _rasterised(curve: Curve, grid: Grid) -> list[str]:
    """The lines of the plot area with nothing but this curve."""
    if not any(isfinite(y) for y in curve.points[1]):
        return []
    _plot.clear_figure()
    _plot.theme("clear")
    _plot._set_size(grid.columns, grid.lines)  # plot_size clips to the terminal it detects, or to 80 columns
    _plot.xaxes(False, False)
    _plot.yaxes(False, False)
    _plot.xticks([], [])
    _plot.yticks([], [])
    _plot.xlim(grid.x.low, grid.x.high)
    _plot.ylim(grid.y.low, grid.y.high)
    (_plot.plot if curve.line else _plot.scatter)(*curve.points, marker=curve.marker, color=curve.tag)
    rows = ["".join(text for _, text in _RUN.findall(line)) for line in _plot.build().splitlines()]
    _plot.clear_figure()
    return _dashed(rows, curve, grid) if curve.dashed and curve.marker == "braille" else rows


def _dashed(rows: list[str], curve: Curve, grid: Grid) -> list[str]:
    """The same with gaps between the points."""
    cut = [[" " if column % (_DASH + _GAP) >= _DASH else char for column, char in enumerate(row)] for row in rows]
    for x, y in zip(*curve.points, strict=True):
        if isfinite(y) and grid.y.low <= y <= grid.y.high:
            across, up = grid.dot_x(x), grid.dot_y(y)
            row, column = cut[grid.lines - 1 - up // grid.up], across // grid.across
            bits = ord(row[column]) - BRAILLE if row[column] != " " else 0
            row[column] = chr(BRAILLE + (bits | _BITS[across % grid.across][up % grid.up]))
    return ["".join(row) for row in cut]


def _lay_over(canvas: Canvas, rows: Sequence[str], tag: int) -> None:
    """Lay a curve over others. In a cell that two share both keep their dots."""
    for line, row in enumerate(rows):
        cells, tags = canvas.rows[line], canvas.tags[line]
        for column, char in enumerate(row, start=canvas.left):
            if char != " ":
                if ord(char) >= BRAILLE and ord(cells[column]) >= BRAILLE:
                    char = chr(ord(char) | ord(cells[column]))
                cells[column], tags[column] = char, tag


def _draw_axes(canvas: Canvas, grid: Grid, unit: str, ascii_only: bool) -> None:
    upright, tick_left, corner, rule, tick_below = "||+-+" if ascii_only else "│┤└─┬"
    left, labels = canvas.left, canvas.rows[-1]
    for row in canvas.rows[: canvas.lines]:
        row[left - 1] = upright
    for value, label in grid.y.ticks:
        canvas.rows[grid.line(value)][:left] = f"{label:>{left - 1}}{tick_left}"
    canvas.rows[-2][left - 1 :] = [corner, *rule * grid.columns]
    end, gaps = 0, []
    for value, label in grid.x.ticks:
        centre = left + grid.column(value)
        canvas.rows[-2][centre] = tick_below
        width = cell_len(label)
        first = max(0, min(centre - width // 2, len(labels) - width))
        if first > end or not end:
            # Of a character that takes two cells, the second is empty.
            cells = [cell for char in characters(label) for cell in (char, *[""] * (cell_len(char) - 1))]
            labels[first : first + width] = cells
            gaps.append((end, first))
            end = first + width
    gaps.append((end, len(labels)))
    for start, stop in reversed(gaps):  # at the right end, or just before the last label that has room: "epoch 20"
        first = stop - len(unit) - (stop < len(labels))
        if first > start:
            labels[first : first + len(unit)] = unit
            break
