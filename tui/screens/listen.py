"""A place kept for the Listen mode: nothing works here yet."""

from textual.app import ComposeResult
from textual.widgets import Static

from tui.screens.mode_screen import ModeScreen


class ListenScreen(ModeScreen):
    MODE = "listen"

    def compose_body(self) -> ComposeResult:
        yield Static("NOT BUILT YET: Listen", classes="placeholder")
