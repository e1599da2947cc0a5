"""A few lines of text, as high as they are many."""

from collections.abc import Sequence

from textual.content import Content
from textual.strip import Strip
from textual.widget import Widget

from tui.widgets.cells import Cell, cells, difference, strip


class TextLines(Widget):
    """Takes no room while it has nothing to say; draws only what has changed."""

    can_focus = False
    DEFAULT_CSS = """
    TextLines { height: 0; width: 1fr; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: list[Content] = []
        self._seen: dict[int, list[Cell]] = {}
        """The lines on the screen."""

    def show(self, lines: Sequence[Content]) -> None:
        before, self._lines = self._lines, list(lines)
        if len(before) != len(lines):
            self.styles.height = len(lines)
            self.refresh()
        for y in range(len(lines)):
            if (region := difference(self._seen.get(y), self._cells(y), y, self.size.width)) is not None:
                self.refresh(region)

    def render_line(self, y: int) -> Strip:
        self._seen[y] = self._cells(y)
        return strip(self._seen[y], self.visual_style, self.size.width)

    def _cells(self, y: int) -> list[Cell]:
        return cells(self._lines[y].truncate(self.size.width, ellipsis=True)) if y < len(self._lines) else []
