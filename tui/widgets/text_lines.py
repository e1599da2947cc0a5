"""A few lines of text, as high as they are many."""

from collections.abc import Sequence

from textual.content import Content
from textual.geometry import Region
from textual.widget import Widget


class TextLines(Widget):
    """Takes no room while it has nothing to say; draws only what has changed."""

    can_focus = False
    DEFAULT_CSS = """
    TextLines { height: 0; width: 1fr; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: list[Content] = []

    def show(self, lines: Sequence[Content]) -> None:
        before, self._lines = self._lines, list(lines)
        if len(before) != len(lines):
            self.styles.height = len(lines)
            self.refresh()
            return
        for y, (old, new) in enumerate(zip(before, self._lines, strict=True)):
            if not old.is_same(new):
                self.refresh(Region(0, y, self.size.width, 1))

    def render(self) -> Content:
        width = max(1, self.size.width)
        return Content("\n").join(line.truncate(width, ellipsis=True) for line in self._lines)
