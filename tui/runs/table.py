"""The table of runs: only what is in view is made, and only lines that look different are drawn."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual import events
from textual.binding import Binding
from textual.content import Content
from textual.message import Message
from textual.widget import Widget

from tui.runs.columns import Placed, header, layout, line
from tui.runs.row import RunRow
from tui.widgets.row_list import RowList

INDENT = 4
"""Cells before a row: two for the cursor, two for its number in a comparison."""


class RunTable(RowList):
    BINDING_GROUP_TITLE = "The list"
    BINDINGS: ClassVar = [Binding("enter", "choose", "watch", id="runs.open", tooltip="Watch the run")]
    has_cursor = True

    class Moved(Message):
        """The cursor is on another run, or the run under it has changed."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.rows: list[RunRow] = []
        self.marked: list[Path] = []
        """In the order in which they were marked."""
        self._told: RunRow | None = None

    @property
    def current(self) -> RunRow | None:
        return self.rows[self.cursor] if self.cursor < len(self.rows) else None

    def show(self, rows: Sequence[RunRow]) -> None:
        """Show these rows; the cursor stays on its run, or on its place where that is gone."""
        on = self.current
        place = next((i for i, row in enumerate(rows) if on and row.path == on.path), min(self.cursor, len(rows) - 1))
        self.rows = list(rows)
        self.cursor = max(0, place)
        self.rows_changed()
        self._tell()

    def go_to(self, path: Path) -> None:
        """Put the cursor on a run, if it is there."""
        for index, row in enumerate(self.rows):
            if row.path == path:
                self._move_cursor(index)

    def clear_marks(self) -> None:
        self.marked.clear()
        self.rows_changed()

    def toggle_mark(self, path: Path) -> None:
        if path in self.marked:
            self.marked.remove(path)
        else:
            self.marked.append(path)
        self.rows_changed()

    @property
    def columns(self) -> list[Placed]:
        return layout(self.row_width - 2)

    def follows(self) -> bool:
        """Never: the cursor stays on its run, wherever that comes to lie."""
        return False

    def row_count(self) -> int:
        return len(self.rows)

    def row(self, index: int, width: int) -> Content:
        row = self.rows[index]
        mark = str(self.marked.index(row.path) + 1) if row.path in self.marked else " "
        return Content.assemble((f"{mark} ", "bold $val")) + line(row, self.columns)

    def _move_cursor(self, to: int) -> None:
        super()._move_cursor(to)
        self._tell()

    def _tell(self) -> None:
        if self.current != self._told:
            self._told = self.current
            self.post_message(self.Moved())


class RunTableHeader(Widget):
    """The titles of the table below; a click sorts by one."""

    can_focus = False

    class Clicked(Message):
        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    def __init__(self, table: RunTable, key: str, descending: bool) -> None:
        super().__init__()
        self.table = table
        self.key = key
        self.descending = descending

    def sort_by(self, key: str, descending: bool) -> None:
        self.key, self.descending = key, descending
        self.refresh()

    def render(self) -> Content:
        return Content(" " * INDENT) + header(self.table.columns, self.key, self.descending)

    def on_click(self, event: events.Click) -> None:
        end = INDENT
        for place in self.table.columns:
            end += place.width + 1
            if event.x < end:
                self.post_message(self.Clicked(place.column.key))
                return
