"""A list that makes only the rows in view, so that 20,000 rows cost as much as 20.

It scrolls by itself and redraws only lines that differ; Textual's scrolling views lay out and repaint the whole screen
whenever their content grows.
"""

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual import events
from textual.binding import Binding
from textual.content import Content
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from tui.widgets.text import Cell, cells, clipped, difference, strip

THUMB = "▐"
LIST_KEYS = (
    Binding("up,k", "move(-1)", "up", show=False, id="list.up"),
    Binding("down,j", "move(1)", "down", show=False, id="list.down"),
    Binding("pageup", "move_page(-1)", "page up", show=False, id="list.page_up"),
    Binding("pagedown", "move_page(1)", "page down", show=False, id="list.page_down"),
    Binding("ctrl+u", "move_half(-1)", "half a page up", show=False, id="list.half_up"),
    Binding("ctrl+d", "move_half(1)", "half a page down", show=False, id="list.half_down"),
    Binding("home,g", "move_to_first", "first", show=False, id="list.first"),
    Binding("end,G", "move_to_last", "last", show=False, id="list.last"),
)
MARGINS = 3
"""Cells beside a row: two for the cursor on its left, one for the scrollbar on its right."""


def column_at(columns: Iterable[tuple[str, int]], x: int, left: int = MARGINS - 1) -> str | None:
    """The column at cell ``x`` of the titles above a list; None beyond the last.

    Args:
        columns: name and cells of each, one cell apart.
        left: cells before the first.
    """
    for name, size in columns:
        left += size + 1
        if x < left:
            return name
    return None


class RowList(Widget, can_focus=True):
    """Rows of one line each. A subclass counts and makes them, and calls `rows_changed`.

    With ``follows`` the list shows new rows at the end while the cursor (or, without one, the view) is at the end.
    """

    DEFAULT_CSS = """
    RowList { height: 1fr; }
    """
    BINDING_GROUP_TITLE = "List"
    BINDINGS: ClassVar = [*LIST_KEYS, Binding("enter", "choose", "open", show=False, id="list.choose")]

    has_cursor = False
    """Whether there is a cursor whose row enter chooses; without one the keys scroll."""
    follows = False
    """Whether to follow new rows at the end."""

    class Chosen(Message):
        """Enter, or a click on the row under the cursor."""

        def __init__(self, rows: "RowList", index: int) -> None:
            super().__init__()
            self.rows = rows
            self.index = index

        @property
        def control(self) -> "RowList":
            return self.rows

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.cursor = 0
        self.top = 0
        """The first row in view."""
        self._count = 0
        self._at_end = True
        """Whether the end was in view after the last move, whatever the height is now."""
        self._seen: dict[int, list[Cell]] = {}
        """The lines on the screen."""

    # For subclasses

    def row_count(self) -> int:
        raise NotImplementedError

    def row(self, index: int, width: int) -> Content:
        raise NotImplementedError

    @property
    def row_width(self) -> int:
        return max(1, self.size.width - MARGINS)

    def begin(self) -> None:
        """Start with other rows: reset the cursor and the view."""
        self.cursor = self.top = 0
        self._at_end = True

    def rows_changed(self) -> None:
        """Update for new, changed or removed rows."""
        self._count = self.row_count()
        if self.follows and self._at_end:
            self.cursor, self.top = self._count - 1, self._last_top
        self._settle()

    # Drawing

    @property
    def _last_top(self) -> int:
        return max(0, self._count - self.size.height)

    def _settle(self) -> None:
        """Clamp the cursor and the view to the rows, keep the cursor in view, and draw what differs."""
        self._clamp()
        self._draw(range(self.size.height))

    def _clamp(self) -> None:
        self.cursor = max(0, min(self.cursor, self._count - 1))
        if self.has_cursor and self.size.height:
            self.top = min(self.top, self.cursor)
            self.top = max(self.top, self.cursor - self.size.height + 1)
        self.top = max(0, min(self.top, self._last_top))

    def _draw(self, lines: Iterable[int]) -> None:
        for y in lines:
            region = difference(self._seen.get(y), self._line(y), y, self.size.width)
            if region is not None:
                self.refresh(region)

    def render_line(self, y: int) -> Strip:
        self._seen[y] = self._line(y)
        return strip(self._seen[y], self.visual_style, self.size.width)

    def _line(self, y: int) -> list[Cell]:
        index, width = self.top + y, self.size.width
        thumb = Content.styled(THUMB, "$faint") if self._is_thumb(y) else Content(" ")
        if index >= self._count:
            return cells(Content(" " * (width - 1)) + thumb)
        line = (self._mark(index) + self.row(index, self.row_width)).truncate(width - 1)
        line += " " * (width - 1 - line.cell_length)
        if self._has_cursor_on(index):
            line = line.stylize_before("$block-cursor-foreground on $block-cursor-background")
        return cells(line + thumb)

    def _mark(self, index: int) -> Content:
        """The focus must be visible without colour."""
        if self.has_cursor:
            return Content("› " if self._has_cursor_on(index) else "  ")
        return Content.styled("▎", "$accent") + " " if self.has_focus else Content("  ")

    def _has_cursor_on(self, index: int) -> bool:
        return self.has_cursor and self.has_focus and index == self.cursor

    def _is_thumb(self, y: int) -> bool:
        height = self.size.height
        if self._count <= height:
            return False
        length = max(1, height * height // self._count)
        first = (height - length) * self.top // self._last_top
        return first <= y < first + length

    def on_resize(self) -> None:
        self._seen.clear()
        self.rows_changed()

    def on_focus(self) -> None:
        self._settle()

    def on_blur(self) -> None:
        self._settle()

    # Moving

    def action_move(self, by: int) -> None:
        if self.has_cursor:
            self._move_cursor(self.cursor + by)
        else:
            self.top += by
            self._settle()
            self._at_end = self.top >= self._last_top

    def _move_cursor(self, to: int) -> None:
        before, top = self.cursor, self.top
        self.cursor = to
        self._clamp()
        self._draw({before - top, self.cursor - top} if self.top == top else range(self.size.height))
        self._at_end = self.cursor >= self._count - 1

    def action_move_page(self, by: int) -> None:
        self.action_move(by * max(1, self.size.height - 1))

    def action_move_half(self, by: int) -> None:
        self.action_move(by * max(1, self.size.height // 2))

    def action_move_to_first(self) -> None:
        self.action_move(-self._count)

    def action_move_to_last(self) -> None:
        self.action_move(self._count)

    def action_choose(self) -> None:
        if self.has_cursor and self._count:
            self.post_message(self.Chosen(self, self.cursor))

    def on_mouse_scroll_up(self) -> None:
        self.action_move(-3)

    def on_mouse_scroll_down(self) -> None:
        self.action_move(3)

    def on_click(self, event: events.Click) -> None:
        index = self.top + event.y
        if not self.has_cursor or index >= self._count:
            return
        if index == self.cursor:
            self.action_choose()
        else:
            self._move_cursor(index)


class LinesView(RowList):
    """Shows given lines, from the top."""

    class Resized(Message):
        """The width changed: lines made for the previous one may not fit."""

        def __init__(self, view: "LinesView") -> None:
            super().__init__()
            self.view = view

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._lines: Sequence[Content] = ()

    def show(self, lines: Sequence[Content]) -> None:
        self._lines = lines
        self.rows_changed()

    def on_resize(self) -> None:
        self.post_message(self.Resized(self))

    def row_count(self) -> int:
        return len(self._lines)

    def row(self, index: int, width: int) -> Content:
        return clipped(self._lines[index], width)
