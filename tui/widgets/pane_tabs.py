"""Panes that share a space: one line of tabs, and the base of screens that show one pane at a time when small."""

from collections.abc import Sequence
from typing import ClassVar

from textual import events, on
from textual.content import Content
from textual.message import Message

from tui.shell.mode_screen import ModeScreen
from tui.shell.panels import UpperBorder


class PaneTabs(UpperBorder):
    """A click chooses a tab. The line can be the upper border of the panes' frame."""

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
        width = self.size.width - 4 * self._framed - len(self.number)
        tabs = [self._label(pane) for pane in self._panes[self._first :]]
        active = "$foreground bold" if self._framed else "bold"
        line = Content("").join(
            Content.styled(tab, active if tab == self._label(self._active) else "$text-muted") for tab in tabs
        )
        if not self._framed:
            return line
        line = line.truncate(max(0, width))
        return Content.assemble("╭─", self.number, line, "─" * (width - line.cell_length), "─╮")

    @property
    def _first(self) -> int:
        """Index of the first tab in view: the others are scrolled out on its left."""
        first, width = 0, self.size.width - 4 * self._framed - len(self.number)
        while first < len(self._panes) - 1 and self._panes[first] != self._active:
            if sum(len(self._label(pane)) for pane in self._panes[first:]) <= width:
                break
            first += 1
        return first

    def _label(self, pane: str) -> str:
        return f"[{pane}]" if pane == self._active else f" {pane} "

    def on_click(self, event: events.Click) -> None:
        end = 2 * self._framed + len(self.number)
        for pane in self._panes[self._first :]:
            end += len(pane) + 2
            if event.x < end:
                self.post_message(self.Chosen(pane))
                return


class PaneScreen(ModeScreen):
    """
    A mode with the panes ``PANES`` and one ``PaneTabs``; the widget that takes a pane's keys has its name as id.

    For the style sheet it has the class ``-on-PANE`` of the current pane, and ``-one-pane`` where only that one fits.
    """

    PANES: ClassVar[Sequence[str]]

    def __init__(self) -> None:
        super().__init__()
        self.pane = self.PANES[0]

    def on_resize(self) -> None:
        super().on_resize()
        self.show_pane(self.pane)

    def show_pane(self, pane: str) -> None:
        """Give a pane the keys; where there is room for one only, bring it into view."""
        self.pane = pane
        self.set_class(self.app.width_class == "narrow" or self.app.height_class == "tiny", "-one-pane")
        for name in self.PANES:
            self.set_class(name == pane, f"-on-{name}")
        self.query_one(PaneTabs).show(self.PANES, pane)
        self.query_one(f"#{pane}").focus()

    @on(PaneTabs.Chosen)
    def choose_pane(self, event: PaneTabs.Chosen) -> None:
        self.show_pane(event.pane)

    def action_pane(self, by: int) -> None:
        focused = next((pane for pane in self.PANES if self.query_one(f"#{pane}").has_focus), self.pane)
        self.show_pane(self.PANES[(self.PANES.index(focused) + by) % len(self.PANES)])
