"""One line of tabs for panes that share a space; a click chooses one. It can be the upper border of their frame."""

from collections.abc import Sequence

from textual import events
from textual.content import Content
from textual.message import Message
from textual.widget import Widget


class PaneTabs(Widget):
    can_focus = False
    DEFAULT_CSS = """
    PaneTabs { height: 1; width: 1fr; }
    """

    class Chosen(Message):
        def __init__(self, pane: str) -> None:
            super().__init__()
            self.pane = pane

    def __init__(self, *, framed: bool = False, id: str | None = None) -> None:
        """
        Args:
            framed: draw the upper border of the panel below, in this widget's own colour.
        """
        super().__init__(id=id)
        self._framed = framed
        self._panes: Sequence[str] = ()
        self._active = ""

    def show(self, panes: Sequence[str], active: str) -> None:
        if (panes, active) != (self._panes, self._active):
            self._panes, self._active = panes, active
            self.refresh()

    def render(self) -> Content:
        """Brackets, not colour alone, mark the active tab; tabs that do not fit scroll out on the left."""
        width = self.size.width - 4 * self._framed
        tabs = [self._label(pane) for pane in self._panes[self._first :]]
        active = "$foreground bold" if self._framed else "bold"
        line = Content("").join(
            Content.styled(tab, active if tab == self._label(self._active) else "$text-muted") for tab in tabs
        )
        if not self._framed:
            return line
        line = line.truncate(max(0, width))
        return Content.assemble("╭─", line, "─" * (width - line.cell_length), "─╮")

    @property
    def _first(self) -> int:
        """Index of the first tab in view: the others are scrolled out on its left."""
        first, width = 0, self.size.width - 4 * self._framed
        while first < len(self._panes) - 1 and self._panes[first] != self._active:
            if sum(len(self._label(pane)) for pane in self._panes[first:]) <= width:
                break
            first += 1
        return first

    def _label(self, pane: str) -> str:
        return f"[{pane}]" if pane == self._active else f" {pane} "

    def on_click(self, event: events.Click) -> None:
        end = 2 * self._framed
        for pane in self._panes[self._first :]:
            end += len(pane) + 2
            if event.x < end:
                self.post_message(self.Chosen(pane))
                return
