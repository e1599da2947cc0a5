"""The top line: the four modes with their keys, the one in view marked, and where the runs live."""

from textual import events
from textual.content import Content
from textual.widget import Widget

from tui.shell.base import BaseApp
from tui.text.cells import shown

TITLES = {"runs": "Runs", "watch": "Watch", "classify": "Classify", "listen": "Listen"}


class ModeBar(Widget):
    app: BaseApp
    can_focus = False

    def __init__(self, mode: str) -> None:
        super().__init__()
        self.mode = mode
        self._ends: list[tuple[int, str]] = []

    def render(self) -> Content:
        self._ends = []
        bar = Content("")
        for mode, title in TITLES.items():
            key = self.app.key_for(f"mode.{mode}")
            # Brackets and not colour alone say where one is.
            before, after, style = ("[", "]", "bold") if mode == self.mode else (" ", " ", "$text-muted")
            bar += Content.assemble(before, (key, "bold $footer-key-foreground"), (f" {title}", style), after, " ")
            self._ends.append((bar.cell_length, mode))
        room = self.size.width - bar.cell_length - 2
        if room < 12:
            return bar
        return bar + Content.styled(f"{shown(self.app.runs_dir, room):>{room}} ", "$text-muted")

    async def on_click(self, event: events.Click) -> None:
        for end, mode in self._ends:
            if event.x < end:
                await self.app.show_mode(mode)
                return
