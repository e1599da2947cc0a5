"""The run under the cursor: its state, curves, changes to its preset, comparison with the baseline, genres and log."""

import time
from collections.abc import Sequence
from pathlib import Path

from rich.cells import cell_len
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.content import Content
from textual.message import Message

from core.runs.folder import RunFolder, RunReader
from core.runs.journal.state import RunState
from core.runs.summary import Summary, changes, flat
from core.training.evaluation.significance import significance
from core.training.presets import PRESETS, preset
from core.training.recipe import to_dict
from tui.charts.genres import genre_bars
from tui.formatting import DASH, shown
from tui.shell.base import BaseApp
from tui.shell.panels import frame, key_of
from tui.widgets.row_list import LinesView
from tui.widgets.run_header import run_header
from tui.widgets.text import TextLines, state_label

DELAY = 0.1
"""Seconds that the cursor rests on a run before its journal is read."""
LOG_LINES = 6
"""Lines of the log at least."""
GENRE_CELLS = 25
"""Cells of a genre and its bar at least."""
LABEL = 14
"""Cells of the labels before the facts."""
WITHIN_EPOCHS = frozenset({"batch_progress", "features_progress"})
"""Kinds of events of which the panel needs only the last: most of a long journal."""
NOT_CHANGES = {"data", "preset", "device", "spectrograms", "processes", "labels.source", "labels.digest"}
"""Fields of a recipe that say nothing about how the model is trained, or that scanning fills in."""


def detail_lines(state: RunState, run: Summary, base: Sequence[str], width: int, *, rows: int) -> list[Content]:
    """The facts below the curves.

    Args:
        base: how the run compares to the baseline; empty where there is nothing to compare.
        rows: rows of the pane; the log fills what is left of them, and has a few lines at least.
    """
    recipe = joined(changed_from_preset(state), max(10, width - LABEL))
    facts = [("recipe", recipe), *(("vs baseline", line) for line in base)]
    facts += [("tags", " ".join(run.tags)), ("note", run.note), ("device", state.device_name or state.device)]
    if state.status == "failed":
        facts.insert(0, ("failed", state.end_message))
    lines = []
    for label, text in facts:
        if text:
            pieces = Content(text).wrap(max(10, width - LABEL))
            heads = [Content.styled(f"{label:<{LABEL}}", "$text-muted"), *[Content(" " * LABEL)] * (len(pieces) - 1)]
            lines += [head + piece for head, piece in zip(heads, pieces, strict=True)]
    if state.validation is not None and state.validation.genre_accuracy:
        title = f"validation, epoch {state.validation.epoch}"
        lines += [Content(""), Content.styled(title, "$text-muted"), *_genre_columns(state, width)]
    if state.log:
        room = max(LOG_LINES, rows - len(lines) - 4)
        lines += [Content(""), Content.styled("log", "$text-muted")]
        newest: list[Content] = []
        for line in reversed(state.log[-room:]):
            pieces = hanging(Content(line.text), width)
            if len(newest) + len(pieces) > room:
                break
            newest[:0] = pieces
        lines += newest
    return lines


def joined(parts: Sequence[str], width: int) -> str:
    """The parts with commas between them, in lines that end only between two parts."""
    lines = list(parts[:1])
    for part in parts[1:]:
        if cell_len(longer := f"{lines[-1]}, {part}") < width:
            lines[-1] = longer
        else:
            lines[-1] += ","
            lines.append(part)
    return "\n".join(lines)


def hanging(text: Content, width: int) -> list[Content]:
    """The text in lines of at most ``width`` cells, all but the first indented."""
    first, *others = text.wrap(max(10, width - 2))
    return [first, *("  " + other for other in others)]


def _genre_columns(state: RunState, width: int) -> list[Content]:
    """The accuracy of each genre, in two columns where there is room for them."""
    if width < 2 * GENRE_CELLS + 3:
        return genre_bars(state, width, pairs=False)
    column = (width - 3) // 2
    bars = [line.truncate(column, ellipsis=True) for line in genre_bars(state, column, pairs=False)]
    half = (len(bars) + 1) // 2
    right = [*bars[half:], Content("")]
    return [
        left + " " * (column + 3 - left.cell_length) + beside for left, beside in zip(bars[:half], right, strict=False)
    ]


def changed_from_preset(state: RunState) -> list[str]:
    """``quick with epochs 20 → 60``, ``optimiser.learning_rate 0.003 → 0.001``"""
    recipe = flat(state.recipe)
    name = str(recipe.get("preset") or "")
    if name not in PRESETS:
        return []
    base = flat(to_dict(preset(name, "")))
    changed = [f"{field} {before} → {now}" for field, before, now in changes(recipe, base) if field not in NOT_CHANGES]
    return [f"{name} with {changed[0]}", *changed[1:]] if changed else [name, "unchanged"]


class Facts(LinesView):
    """Enter opens the run."""

    def action_choose(self) -> None:
        self.post_message(self.Chosen(self, 0))


class RunDetail(Vertical):
    app: BaseApp

    class Compared(Message):
        """How a run compares to its baseline is known."""

        def __init__(self, run: str, lines: list[str]) -> None:
            super().__init__()
            self.run = run
            self.lines = lines

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._run: Summary | None = None
        """The run to show; until its journal has been read, `_shown` stays in view."""
        self._shown: Summary | None = None
        self._compared: tuple[str, list[str]] = ("", [])
        """Path of a run, and how it compares to the baseline."""
        self._tail: RunReader | None = None
        self._reading = ""
        self._drawn: RunState | None = None

    def compose(self) -> ComposeResult:
        yield TextLines(id="detail-head")
        yield Container(id="detail-curves")
        yield Facts(id="detail-lines")

    def show_run(self, run: Summary | None, base: Summary | None) -> None:
        """Show a run, or update the one shown.

        Args:
            base: the baseline of its folder.
        """
        self._run = run
        if run is None:
            self._shown = self._tail = None
            self._describe()
        elif self._shown is None:
            self._describe()
        if run is not None and run.path != self._reading:
            self._reading = run.path
            known = self._shown is not None and run.path == self._shown.path
            self._read(run, base, self._tail if known else None)

    @work(thread=True)
    def _read(self, run: Summary, base: Summary | None, tail: RunReader | None) -> None:
        if tail is None:
            time.sleep(DELAY)
        if self._run is not None and run.path == self._run.path:
            tail = tail or RunReader(RunFolder(Path(run.path)), skip=WITHIN_EPOCHS)
            tail.poll()
            self.call_later(self._take, run.path, tail)
            if self._compared[0] != run.path:
                self.post_message(self.Compared(run.path, against(run, base)))
        else:
            self.call_later(self._take, run.path, tail)

    def _take(self, path: str, tail: RunReader | None) -> None:
        if path == self._reading:
            self._reading = ""
        if self._run is not None and path == self._run.path:
            if self._tail is not tail:
                self._tail, self._drawn = tail, None
            self._shown = self._run
            self._describe()

    @on(Compared)
    def take_comparison(self, message: Compared) -> None:
        message.stop()
        if self._run is not None and message.run == self._run.path:
            self._compared = message.run, message.lines
            if message.lines:
                self._describe()

    def on_resize(self) -> None:
        rows = 0 if self.size.height < 14 else max(7, min(16, self.size.height // 4))
        self.query_one("#detail-curves").styles.height = rows
        self.query_one("#detail-curves").display = bool(rows)
        self._describe()

    @on(LinesView.Resized)
    def fit_lines(self, event: LinesView.Resized) -> None:
        event.stop()
        self._describe()

    def _describe(self) -> None:
        run, state = self._shown or self._run, self._tail.state if self._tail is not None else None
        lines, head = self.query_one(Facts), self.query_one(TextLines)
        keys = [("enter", "watch"), (key_of(self.screen, "runs.new"), "new")]
        frame(self, run.name if run is not None else "run", keys if run is not None else ())
        if run is None or state is None:
            head.show([state_label(run.state)] if run is not None else [])
            lines.show([])
            return
        head.show(run_header(state, time.monotonic(), self.size.width, short=True))
        if state is not self._drawn:
            self._drawn = state
            self._draw(state)
        compared = self._compared[1] if self._compared[0] == run.path else []
        width = lines.row_width
        lines.show([*detail_lines(state, run, compared, width, rows=lines.size.height), *self._place(run, width)])

    @work(exclusive=True, group="curves")
    async def _draw(self, state: RunState) -> None:
        """Draw the curves; their code is loaded after the list is on the screen."""
        from tui.charts.curves import RunCurves

        place = self.query_one("#detail-curves")
        if not place.is_attached:  # the app is leaving
            return
        if not place.query(RunCurves):
            await place.mount(RunCurves())
        for curves in place.query(RunCurves):
            if curves.is_attached:
                curves.show(state)

    def _place(self, run: Summary, width: int) -> list[Content]:
        return [Content(""), Content.styled(shown(Path(run.path), width), "$text-muted")]


def against(run: Summary, base: Summary | None) -> list[str]:
    """How a run compares to the baseline of its folder; reads both journals."""
    if base is None:
        return []
    if run.path == base.path:
        return ["this is the baseline ★"]
    if run.dataset != base.dataset:
        return [f"{base.name} was trained on another dataset"]
    if run.difference is None:
        return [DASH]
    p = significance(RunFolder(Path(run.path)), RunFolder(Path(base.path)))
    how = f"McNemar's p {p:.3f}" if p is not None else "not tested on the same clips"
    return [f"{100 * run.difference:+.1f} points of test accuracy, {how} ({base.name})"]
