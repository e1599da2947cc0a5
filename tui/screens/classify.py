# LEAD IS WRITING THIS SCREEN NOW (with tui/widgets/{audio_tree,probability_bars,spectrogram_view,timeline}.py and the
# JSON-lines worker core/inference/worker.py). CLASSIFY: leave it; write the Listen screen only, reuse those widgets.
"""A place kept for the Classify mode: nothing works here yet."""

from collections.abc import Sequence
from pathlib import Path

from textual.app import ComposeResult
from textual.widgets import Static

from tui.screens.mode_screen import ModeScreen


class ClassifyScreen(ModeScreen):
    MODE = "classify"

    def compose_body(self) -> ComposeResult:
        yield Static("NOT BUILT YET: Classify", classes="placeholder")

    def classify_paths(self, paths: Sequence[Path], model: Path | None = None) -> None:
        self.query_one(Static).update(f"NOT BUILT YET: Classify {paths}")
