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
        tabs, width = self._tabs(), self.size.width - 4 * self._framed
        while len(tabs) > 1 and sum(map(len, tabs)) > width and self._label(self._active) != tabs[0]:
            tabs.pop(0)
        active = "$foreground bold" if self._framed else "bold"
        line = Content("").join(
            Content.styled(tab, active if tab == self._label(self._active) else "$text-muted") for tab in tabs
        )
        if not self._framed:
            return line
        line = line.truncate(max(0, width))
        return Content.assemble("╭─", line, "─" * (width - line.cell_length), "─╮")

    def _tabs(self) -> list[str]:
        return [self._label(pane) for pane in self._panes]

    def _label(self, pane: str) -> str:
        return f"[{pane}]" if pane == self._active else f" {pane} "

    def on_click(self, event: events.Click) -> None:
        end = 2 * self._framed
        for pane in self._panes:
            end += len(pane) + 2
            if event.x < end:
                self.post_message(self.Chosen(pane))
                return
