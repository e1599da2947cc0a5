"""A dialog that chooses the columns of the list of runs behind it, which change at once."""

from collections.abc import Callable, Iterable
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.content import Content
from textual.screen import ModalScreen

from tui.runs.columns import COLUMNS
from tui.shell.panels import frame
from tui.text.cells import padded, widest
from tui.widgets.row_list import RowList


class ColumnList(RowList):
    has_cursor = True

    def __init__(self, chosen: Iterable[str], in_view: Callable[[], set[str]]) -> None:
        """
        Args:
            in_view: the keys of the columns for which the list of runs has room.
        """
        super().__init__()
        self.chosen = set(chosen)
        self._in_view = in_view
        self.columns = list(COLUMNS.values())

    def on_mount(self) -> None:
        self.styles.height = len(self.columns) + 2  # the frame's
        self.rows_changed()

    def follows(self) -> bool:
        return False

    def row_count(self) -> int:
        return len(self.columns)

    def row(self, index: int, width: int) -> Content:
        column = self.columns[index]
        names = widest(other.title for other in self.columns)
        mark = ("✓ ", "$good") if column.key in self.chosen else "  "
        about = Content.styled(column.about, "$text-muted")
        if column.key in self.chosen and column.key not in self._in_view():
            about += Content.styled(f"{'  ' if column.about else ''}no room now", "$warn")
        return Content.assemble(mark, padded(column.title, names + 2)) + about


class ColumnPicker(ModalScreen[None]):
    """Enter or space shows the column under the cursor, or hides it."""

    DEFAULT_CSS = "ColumnPicker ColumnList { width: 72; max-width: 100%; max-height: 100%; }"
    BINDINGS: ClassVar = [
        Binding("space", "change", "show or hide"),
        Binding("escape,q,C", "dismiss", "close"),
    ]

    def __init__(
        self, chosen: Iterable[str], change: Callable[[tuple[str, ...]], None], in_view: Callable[[], set[str]]
    ) -> None:
        """
        Args:
            change: takes the chosen columns after each change.
            in_view: the keys of the columns for which the list of runs has room.
        """
        super().__init__()
        self._list = ColumnList(chosen, in_view)
        self._change = change

    def compose(self) -> ComposeResult:
        self._list.add_class("panel")
        frame(self._list, "columns", [("space", "show or hide"), ("esc", "close")])
        yield self._list

    @on(RowList.Chosen)
    def action_change(self) -> None:
        key = self._list.columns[self._list.cursor].key
        if key != "name":  # without names the rows could not be told apart
            self._list.chosen ^= {key}
            self._change(tuple(column for column in COLUMNS if column in self._list.chosen))
            self._list.rows_changed()
