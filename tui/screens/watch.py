"""A place kept for the Watch mode: nothing works here yet."""

from pathlib import Path

from textual.app import ComposeResult
from textual.widgets import Static

from tui.screens.mode_screen import ModeScreen


class WatchScreen(ModeScreen):
    MODE = "watch"

    def compose_body(self) -> ComposeResult:
        yield Static("NOT BUILT YET: Watch", classes="placeholder")

    def watch_run(self, run: Path) -> None:
        self.query_one(Static).update(f"NOT BUILT YET: Watch {run}")
