"""placeholder while being built"""

from textual.app import ComposeResult
from textual.widgets import Static

from tui.screens.mode_screen import ModeScreen


class RunsScreen(ModeScreen):
    MODE = "runs"

    def compose_body(self) -> ComposeResult:
        yield Static("NOT BUILT YET: Runs", classes="placeholder")
