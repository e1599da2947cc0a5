"""Lines of styled text that scroll, drawn again only where they differ."""

from collections.abc import Sequence

from textual.content import Content
from textual.message import Message

from tui.widgets.row_list import RowList


class LinesView(RowList):
    """Shows the lines that it is given; begins at the top."""

    class Resized(Message):
        """Lines that were made for the width before do not fit."""

        def __init__(self, view: "LinesView") -> None:
            super().__init__()
            self.view = view

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: Sequence[Content] = ()

    def show(self, lines: Sequence[Content]) -> None:
        self._lines = lines
        self.rows_changed()

    def on_resize(self) -> None:
        self.post_message(self.Resized(self))

    def follows(self) -> bool:
        return False

    def row_count(self) -> int:
        return len(self._lines)

    def row(self, index: int, width: int) -> Content:
        return self._lines[index]
