"""A confusion matrix to move in: headings stay in view, enter chooses a cell."""

from collections.abc import Sequence
from itertools import combinations, islice, takewhile
from typing import ClassVar, TypeVar

from rich.cells import cell_len, chop_cells
from textual import events
from textual.binding import Binding
from textual.content import Content
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from tui.charts.genres import Shading, matrix_cell, worst_pair_lines
from tui.formatting import characters, fitted, widest
from tui.shell.base import BaseApp
from tui.widgets.row_list import LIST_KEYS
from tui.widgets.text import Cell, cells, difference, strip

Item = TypeVar("Item")
LONGEST_NAME = 18
"""Cells of a row's heading at most."""
READABLE = 5
"""Cells from which a column's heading is an abbreviation; below, it stands vertically."""


def abbreviations(names: Sequence[str], width: int) -> list[str]:
    """Each name in at most ``width`` cells, all of them different where ``width`` allows it."""
    taken: set[str] = set()
    shorts = []
    for name in names:
        fits = cell_len(name) <= width
        candidates = [name] if fits else [*_distinctive(name, names, width), *_abbreviations(name, width)]
        numbered = (fitted(name, width - len(str(n))).rstrip() + str(n) for n in range(2, len(names) + 2))
        short = next((text for text in (*candidates, *numbered) if text not in taken), fitted(name, width))
        taken.add(short)
        shorts.append(short)
    return shorts


def _distinctive(name: str, names: Sequence[str], width: int) -> list[str]:
    """The beginning of the name or, where others begin alike, its beginning and what follows the common part."""
    others = [other for other in names if other != name and other[: width - 1] == name[: width - 1]]
    if not others:
        return [name[:width]] if cell_len(name[:width]) <= width else []
    common = max(_common(name, other) for other in others)
    ends = [name[: width - size] + name[common + 1 - size : common + 1] for size in (2, 1, 3) if size < width]
    return [text for text in ends if cell_len(text) <= width]


def _common(name: str, other: str) -> int:
    """Length of the common beginning."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(name, other, strict=False)))


def _abbreviations(name: str, width: int) -> Sequence[str]:
    """Its beginning, then its beginning with later letters: ``country`` → coun, couo, coui, …, cony, …"""
    letters = [letter for letter in characters(name) if not letter.isspace()]
    found = []
    for later in range(width):
        start = "".join(letters[: width - later])
        for rest in islice(combinations(letters[width - later :], later), 50):
            text = start + "".join(rest)
            if cell_len(text) <= width:
                found.append(text)
    return found or [chop_cells(name, width)[0]]


class ConfusionView(Widget, can_focus=True):
    """Rows are true genres, columns predicted ones. Posts `Chosen` for the cell under the cursor."""

    BINDING_GROUP_TITLE = "The confusion matrix"
    DEFAULT_CSS = "ConfusionView { height: 1fr; }"
    BINDINGS: ClassVar = [
        *LIST_KEYS,
        Binding("left", "move(0,-1)", "left", show=False, id="confusion.left"),
        Binding("right", "move(0,1)", "right", show=False, id="confusion.right"),
        Binding("enter", "choose", "clips", show=False, id="list.choose", tooltip="List the clips of the cell"),
    ]
    app: BaseApp

    class Chosen(Message):
        def __init__(self, truth: int, prediction: int) -> None:
            super().__init__()
            self.truth = truth
            self.prediction = prediction

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.matrix: Sequence[Sequence[int]] = ()
        self.genres: Sequence[str] = ()
        self.cursor = (0, 0)
        """Row and column."""
        self._top = self._left = 0
        self._empty = ""
        self._seen: list[list[Cell]] = []

    def show(self, matrix: Sequence[Sequence[int]], genres: Sequence[str], empty: str = "") -> None:
        """
        Args:
            empty: text shown instead of a missing matrix.
        """
        size = min(len(matrix), len(genres))  # they differ in a damaged journal
        self.matrix = [[*row[:size], *[0] * (size - len(row))] for row in matrix[:size]]
        self.genres, self._empty = genres[:size], empty
        row, column = self.cursor
        self.cursor = min(row, max(0, len(matrix) - 1)), min(column, max(0, len(matrix) - 1))
        self._draw()

    # Geometry

    @property
    def _cell(self) -> int:
        """Cells of a column: as wide as there is room for, up to readable headings."""
        digits = max((len(str(number)) for row in self.matrix for number in row), default=1)
        least = digits + 1 + (not self._shading.colour)
        room = (self.size.width - self._names - 1) // max(1, len(self.genres))
        return max(least, min(max(READABLE, least, min(12, widest(self.genres) + 1)), room))

    @property
    def _names(self) -> int:
        return min(widest(self.genres), LONGEST_NAME, max(6, self.size.width // 3))

    @property
    def _shading(self) -> Shading:
        app = self.app
        return Shading.of(app.palette, colour=not (app.no_color or app.ascii), ascii_only=app.ascii)

    @property
    def _columns(self) -> int:
        """Columns in view."""
        return max(1, min(len(self.genres), (self.size.width - self._names - 1) // self._cell))

    def _headings(self) -> list[str]:
        """The rows above the matrix, without the space over the names."""
        cell, genres = self._cell, self.genres
        if cell >= READABLE:
            return ["".join(fitted(short, cell, right=True) for short in self._cut(abbreviations(genres, cell - 1)))]
        height = max(3, min(8, widest(genres), self.size.height // 3))
        shorts = [characters(name) for name in abbreviations(genres, height)]
        columns = [[" "] * (height - len(letters)) + letters for letters in shorts]
        return ["".join(fitted(column[y], cell, right=True) for column in self._cut(columns)) for y in range(height)]

    def _cut(self, items: Sequence[Item]) -> Sequence[Item]:
        return items[self._left : self._left + self._columns]

    # Drawing

    def _draw(self) -> None:
        """Draw the cells that differ from the screen."""
        lines = [cells(line) for line in self._lines()] if self.size else []
        for y in range(max(len(lines), len(self._seen))):
            before, now = (rows[y] if y < len(rows) else None for rows in (self._seen, lines))
            if (region := difference(before, now, y, self.size.width)) is not None:
                self.refresh(region)
        self._seen = lines

    def _lines(self) -> list[Content]:
        if not self.matrix:
            return [Content.styled(self._empty, "$text-muted").truncate(self.size.width, ellipsis=True)]
        names, cell, shading = self._names, self._cell, self._shading
        head = [Content.assemble(" " * (names + 1), (line, "$text-muted")) for line in self._headings()]
        rows = max(1, self.size.height - len(head) - self.has_focus)  # the line about the cursor
        self._scroll(rows)
        row_names, lines = abbreviations(self.genres, names), head
        for truth in range(self._top, min(len(self.matrix), self._top + rows)):
            row = self.matrix[truth]
            line = Content.styled(f"{fitted(row_names[truth], names)} ", "bold" if self._has(truth) else "")
            total = sum(row)
            for prediction, number in self._cut(list(enumerate(row))):
                drawn = matrix_cell(number, number / total if total else 0.0, cell, truth == prediction, shading)
                here = self.has_focus and self.cursor == (truth, prediction)
                line += Content.styled(f"{'›' + str(number):>{cell}}", "reverse bold") if here else drawn
            lines.append(line)
        more = min(5, self.size.height - len(lines) - 1)
        if self.has_focus:
            return [*lines, self._about()]
        pairs = worst_pair_lines(self.matrix, self.genres)[:more] if more > 0 else []
        return [*lines, *([Content("")] if pairs else []), *pairs]

    def _has(self, truth: int) -> bool:
        return self.has_focus and self.cursor[0] == truth

    def _about(self) -> Content:
        """``4 of 10 rock predicted as country``"""
        truth, prediction = self.cursor
        number, total = self.matrix[truth][prediction], sum(self.matrix[truth])
        text = f"{number} of {total} {self.genres[truth]} predicted as {self.genres[prediction]}"
        return Content.styled(text, "bold").truncate(self.size.width, ellipsis=True)

    def _scroll(self, rows: int) -> None:
        """Keep the cursor in view."""
        row, column = self.cursor
        self._top = max(row - rows + 1, min(self._top, row, max(0, len(self.matrix) - rows)))
        self._left = max(column - self._columns + 1, min(self._left, column, len(self.genres) - self._columns))

    def render_line(self, y: int) -> Strip:
        return strip(self._seen[y] if y < len(self._seen) else (), self.visual_style, self.size.width)

    def on_resize(self) -> None:
        self._seen = []
        self._draw()

    def on_focus(self) -> None:
        self._draw()

    def on_blur(self) -> None:
        self._draw()

    # Moving

    def action_move(self, down: int, right: int = 0) -> None:
        last = len(self.matrix) - 1
        row, column = self.cursor
        self.cursor = max(0, min(last, row + down)), max(0, min(last, column + right))
        self._draw()

    def action_move_page(self, by: int) -> None:
        self.action_move(by * max(1, self.size.height - 1))

    def action_move_half(self, by: int) -> None:
        self.action_move(by * max(1, self.size.height // 2))

    def action_move_to_first(self) -> None:
        self.action_move(-len(self.matrix), -len(self.matrix))

    def action_move_to_last(self) -> None:
        self.action_move(len(self.matrix), len(self.matrix))

    def action_choose(self) -> None:
        if self.matrix:
            self.post_message(self.Chosen(*self.cursor))

    def on_mouse_scroll_down(self) -> None:
        self.action_move(3, 0)

    def on_mouse_scroll_up(self) -> None:
        self.action_move(-3, 0)

    def on_click(self, event: events.Click) -> None:
        """The first click moves the cursor, one on the cell under it chooses."""
        if not self.matrix:
            return
        row = self._top + event.y - len(self._headings())
        column = self._left + (event.x - self._names - 1) // self._cell
        if 0 <= row < len(self.matrix) and 0 <= column < len(self.genres) and event.x > self._names:
            if (row, column) == self.cursor:
                self.action_choose()
            else:
                self.cursor = row, column
                self._draw()
