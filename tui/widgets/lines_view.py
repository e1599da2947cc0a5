"""Lines of styled text that scroll, drawn again only where they differ."""

from collections.abc import Sequence

from textual.content import Content

from tui.widgets.row_list import RowList


class LinesView(RowList):
    """Shows the lines that it is given; begins at the top."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: Sequence[Content] = ()

    def show(self, lines: Sequence[Content]) -> None:
        self._lines = lines
        self.rows_changed()

    def follows(self) -> bool:
        return False

    def row_count(self) -> int:
        return len(self._lines)

    def row(self, index: int, width: int) -> Content:
        return self._lines[index]
