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
        self._lines: list[list[Cell]] = []

    def show(self, lines: Sequence[Content]) -> None:
        width = self.size.width or self.app.size.width
        before, self._lines = self._lines, [cells(line.truncate(width, ellipsis=True)) for line in lines]
        if len(before) != len(lines):
            self.styles.height = len(lines)
            self.refresh()
            return
        for y, (old, new) in enumerate(zip(before, self._lines, strict=True)):
            if (region := difference(old, new, y, width)) is not None:
                self.refresh(region)

    def render_line(self, y: int) -> Strip:
        return strip(self._lines[y] if y < len(self._lines) else (), self.visual_style, self.size.width)
