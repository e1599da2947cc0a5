"""A list of rows that are made when they are seen, so that twenty thousand cost what twenty do."""

from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.binding import Binding
from textual.content import Content
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.style import Style


class RowList(ScrollView, can_focus=True):
    """Rows of one line each. A subclass says how many there are, makes them, and calls `rows_changed`.

    New rows at the end are followed only while the cursor (or, without one, the view) is at the end.
    """

    DEFAULT_CSS = """
    RowList { height: 1fr; overflow-x: hidden; scrollbar-size-vertical: 1; scrollbar-gutter: stable; }
    """
    BINDINGS: ClassVar = [
        Binding("up", "move(-1)", "up", show=False),
        Binding("down", "move(1)", "down", show=False),
        Binding("pageup", "move_page(-1)", "page up", show=False),
        Binding("pagedown", "move_page(1)", "page down", show=False),
        Binding("home", "move_to(0)", "first", show=False),
        Binding("end", "move_to(-1)", "last", show=False),
        Binding("enter", "choose", "open", show=False),
    ]
    has_cursor = False
    """Whether one row is marked and can be chosen with enter; without it the keys scroll."""

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
        self._count = 0
        self._seen: dict[int, Content] = {}

    # For subclasses

    def row_count(self) -> int:
        raise NotImplementedError

    def row(self, index: int, width: int) -> Content:
        raise NotImplementedError

    def follows(self) -> bool:
        """Whether new rows at the end are to be followed now."""
        return self.cursor >= self._count - 1 if self.has_cursor else self.is_vertical_scroll_end

    def rows_changed(self) -> None:
        """Take note of new, changed or vanished rows; only lines that look different are drawn again."""
        at_end = self.follows()
        self._count = self.row_count()
        self.virtual_size = Size(self.scrollable_content_region.width, self._count)
        self.cursor = self._count - 1 if at_end else min(self.cursor, self._count - 1)
        self.cursor = max(0, self.cursor)
        if at_end and self.size:
            self.scroll_end(animate=False, immediate=True, force=True)
        top = self.scroll_offset.y
        for line in range(self.size.height):
            before = self._seen.get(top + line)
            now = self._row(top + line)
            if before is None or now is None or not before.is_same(now):
                self.refresh(Region(0, line, self.size.width, 1))

    # Drawing

    def render_line(self, y: int) -> Strip:
        index, width = self.scroll_offset.y + y, self.size.width
        base = self.visual_style
        row = self._row(index)
        if row is None:
            self._seen.pop(index, None)
            return Strip.blank(width, base.rich_style)
        self._seen[index] = row
        if len(self._seen) > 2 * self.size.height:
            shown = range(self.scroll_offset.y, self.scroll_offset.y + self.size.height)
            self._seen = {i: kept for i, kept in self._seen.items() if i in shown}
        if self._marks(index):
            base += Style.parse("$block-cursor-foreground on $block-cursor-background")
        segments = [Segment(text, style.rich_style) for text, style in row.render(base, end="")]
        return Strip(segments).adjust_cell_length(width, base.rich_style)

    @property
    def row_width(self) -> int:
        """Cells that a row has, beside the mark on the left and the scrollbar on the right."""
        return max(1, self.size.width - self.scrollbar_size_vertical - 2)

    def _row(self, index: int) -> Content | None:
        if not 0 <= index < self._count:
            return None
        row = self.row(index, self.row_width)
        if self.has_cursor:
            return Content("› " if self._marks(index) else "  ") + row
        # Which pane has the keys can be seen without colour.
        return Content.styled("▎" if self.has_focus else " ", "$train") + row

    def _marks(self, index: int) -> bool:
        return self.has_cursor and self.has_focus and index == self.cursor

    def on_resize(self) -> None:
        self._seen.clear()
        self.rows_changed()

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    # Moving

    def action_move(self, by: int) -> None:
        if self.has_cursor:
            self._move_cursor(self.cursor + by)
        else:
            self.scroll_relative(y=by, animate=False, immediate=True)

    def action_move_page(self, by: int) -> None:
        self.action_move(by * max(1, self.size.height - 1))

    def action_move_to(self, index: int) -> None:
        target = index % self._count if self._count else 0
        if self.has_cursor:
            self._move_cursor(target)
        else:
            self.scroll_to(y=target, animate=False, immediate=True)

    def _move_cursor(self, to: int) -> None:
        before, self.cursor = self.cursor, max(0, min(to, self._count - 1))
        self.scroll_to_region(Region(0, self.cursor, 1, 1), animate=False, immediate=True)
        for index in (before, self.cursor):
            self.refresh(Region(0, index - self.scroll_offset.y, self.size.width, 1))

    def action_choose(self) -> None:
        if self.has_cursor and self._count:
            self.post_message(self.Chosen(self, self.cursor))

    def on_click(self, event: events.Click) -> None:
        index = self.scroll_offset.y + event.y
        if not self.has_cursor or index >= self._count:
            return
        if index == self.cursor:
            self.action_choose()
        else:
            self._move_cursor(index)
