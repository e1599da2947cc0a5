"""The run under the cursor in a few lines: its status, its recipe and its validation accuracy so far."""

import time
from itertools import pairwise
from pathlib import Path

from textual import work
from textual.content import Content

from core.runs.folder import RunFolder, RunReader
from core.runs.journal.state import RunState
from tui.shell.base import BaseApp
from tui.text import formatting
from tui.text.cells import shown
from tui.widgets.run_header import run_header
from tui.widgets.text_lines import TextLines

STEPS = "▁▂▃▄▅▆▇█"


def preview(state: RunState, now: float, width: int) -> list[Content]:
    """Two lines: the status, and a sparkline of the validation accuracy with the recipe."""
    head = run_header(state, now, width)[0]
    if state.end_message and state.end == "failed":
        head = Content.assemble(("failed: ", "$bad"), state.end_message)
    recipe = state.recipe
    optimiser = recipe.get("optimiser", {})
    facts = [
        str(recipe.get("preset", "")),
        f"batch {recipe.get('batch_size', formatting.DASH)}",
        f"lr {formatting.learning_rate(optimiser.get('learning_rate'))}",
        f"seed {recipe.get('seed', 0)}",
        state.device_name or state.device or str(recipe.get("device", "")),
    ]
    line = Content.styled(" · ".join(fact for fact in facts if fact), "$text-muted")
    course = sparkline([row.val_accuracy for row in state.history], max(1, min(24, width // 4)))
    if course:
        last = formatting.percent(state.history[-1].val_accuracy)
        line = Content.assemble("val ", (course, "$val"), f" {last}   ") + line
    return [line.truncate(max(1, width), ellipsis=True) for line in (head, line)]


def sparkline(values: list[float], width: int) -> str:
    """Fractions from 0 to 1 in at most ``width`` cells: the mean of each bin, a gap where it is NaN."""
    if len(values) > width:
        edges = [round(i * len(values) / width) for i in range(width + 1)]
        values = [sum(part) / len(part) for a, b in pairwise(edges) if (part := values[a:b])]
    return "".join(" " if value != value else STEPS[min(7, max(0, int(value * 8)))] for value in values)


DELAY = 0.1
"""Seconds that the cursor rests on a run before its journal is read."""


class RunPreview(TextLines):
    app: BaseApp

    def __init__(self) -> None:
        super().__init__()
        self._path: Path | None = None
        self._tail: RunReader | None = None
        self._reading: Path | None = None

    def show_run(self, path: Path | None) -> None:
        """Show a run, or update the one shown."""
        if path != self._path:
            self._path, self._tail = path, None
            self._describe()
        if path is not None and path != self._reading:
            self._reading = path
            self._read(path, self._tail)

    @work(thread=True)
    def _read(self, path: Path, tail: RunReader | None) -> None:
        if tail is None:
            time.sleep(DELAY)
        if path == self._path:
            tail = tail or RunReader(RunFolder(path))
            tail.poll()
        self.call_later(self._take, path, tail)

    def _take(self, path: Path, tail: RunReader | None) -> None:
        if path == self._reading:
            self._reading = None
        if path == self._path:
            self._tail = tail
            self._describe()

    def on_resize(self) -> None:
        self._describe()

    def _describe(self) -> None:
        width = self.size.width
        lines = preview(self._tail.state, time.monotonic(), width) if self._tail else [Content(""), Content("")]
        path = Content("") if self._path is None else Content.styled(shown(self._path, width), "$text-muted")
        self.show([*lines, path])
