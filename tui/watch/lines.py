"""Lines of the Watch screen: the run's set-up, the progress of its current phase, and the open request."""

import signal
import time
from collections.abc import Callable

from rich.cells import cell_len
from textual.content import Content

from core.runs import actions, control
from core.runs.folder import RunFolder
from core.runs.journal.state import RunState
from core.util.text import counted
from tui.formatting import bar, ending, fitted, learning_rate, rate, widest

WIDEST = 40
"""Cells of a bar at most: a longer one says no more."""


def setup_lines(state: RunState, width: int) -> list[Content]:
    """The dataset once the trainer has scanned it, and the recipe."""
    if not state.genres:
        return [*_before(state), Content(""), *_run(state)]
    return [*_dataset(state, width), Content(""), *_run(state), Content(""), *_bars(state, width)]


def _run(state: RunState) -> list[Content]:
    recipe = state.recipe
    optimiser = recipe.get("optimiser", {})
    rate = learning_rate(optimiser.get("learning_rate"))
    encoder = recipe.get("encoder")
    facts = {
        "run": state.name,
        "data": recipe.get("data"),
        "preset": recipe.get("preset"),
        "model": state.model if state.parameters is None else f"{state.model}, {state.parameters:,} parameters",
        "encoder": encoder.get("name") if isinstance(encoder, dict) else None,
        "input": " × ".join(map(str, state.input_shape)),
        "optimiser": f"{optimiser.get('name')}, lr {rate}" if optimiser else "",
        "batch": recipe.get("batch_size"),
        "seed": recipe.get("seed"),
        "device": f"{state.device_name or state.device} on {state.host}" if state.host else "",
    }
    return [
        Content.assemble((f"{name:<10}", "$text-muted"), str(fact))
        for name, fact in facts.items()
        if fact not in (None, "")
    ]


def _before(state: RunState) -> list[Content]:
    waiting = "The trainer is scanning the dataset." if state.alive else "The dataset was not scanned."
    return [Content.styled(waiting, "$text-muted")]


def _dataset(state: RunState, width: int) -> list[Content]:
    clips, hours = counted(sum(state.clips.values()), "clip"), f"{state.hours:.1f} h"
    lines = [
        Content.assemble((clips, "bold"), f" · {counted(len(state.genres), 'genre')} · {hours}"),
        Content(" · ".join(f"{part} {size:,}" for part, size in state.parts.items())),
    ]
    if (done := state.features) is not None:
        stored = f", {done.cached:,} of them from the store" if done.cached else ""
        lines.append(Content(f"features {done.done:,}/{done.total:,}{stored}"))
    return [*lines, *_excluded(state, width)]


def _bars(state: RunState, width: int) -> list[Content]:
    most = max(1, *state.clips.values())
    names = min(widest(state.genres), max(8, width // 2))
    room = max(1, min(WIDEST, width - names - 8))
    lines = []
    for genre in state.genres:
        clips = state.clips.get(genre, 0)
        filled = "━" * max(1, round(room * clips / most)) if clips else ""
        lines.append(Content.assemble(f"{fitted(genre, names)} ", (filled, "$accent"), f" {clips:,}"))
    return lines


def _excluded(state: RunState, width: int) -> list[Content]:
    if not state.excluded:
        return [Content.styled("no file left out", "$text-muted")]
    lines = [Content.styled(f"! {counted(len(state.excluded), 'file')} left out", "$warn")]
    for clip in state.excluded:
        # The end of a path identifies the file.
        room = max(10, width - cell_len(clip.reason) - 4)
        lines.append(Content.assemble("  ", ending(clip.path, room), "  ", (clip.reason, "$text-muted")))
    return lines


def progress_line(state: RunState, width: int) -> Content:
    """``━━━━━━━╸──────── train 31/50 · 1,840 clips/s``"""
    if state.status in ("finished", "stopped", "failed", "lost", "created"):
        return _ended(state, width)
    done, total, text = _work(state)
    if total == 0:
        return Content.styled(text, "$text-muted")
    return _bar(done / total, max(8, min(WIDEST, width - max(45, cell_len(text)) - 1))) + " " + text


def _work(state: RunState) -> tuple[int, int, str]:
    """Done, total and description; the total is 0 where nothing can be counted."""
    speed = f" · {rate(state.clips_per_second)}" if state.clips_per_second else ""
    if state.phase == "features" and state.features is not None:
        done, total, cached = state.features.done, state.features.total, state.features.cached
        stored = f" · {cached:,} from the store" if cached else ""
        return done, total, f"features {done:,}/{total:,}{stored}{speed}"
    if state.phase in ("training", "validating") and state.batches:
        # The two phases count their own batches, so each has its own bar.
        what = "train" if state.phase == "training" else "validate"
        return state.batch, state.batches, f"{what} {state.batch:,}/{state.batches:,}{speed}"
    return 0, 0, _WAITING.get(state.phase, "")


_WAITING = {
    "starting": "The trainer is starting.",
    "scanning": "Scanning the dataset.",
    "features": "Computing features.",
    "training": "Between epochs.",
    "validating": "Validating.",
    "testing": "Testing the best model.",
    "reporting": "Writing the report and the images.",
}


def _bar(share: float, width: int) -> Content:
    filled = bar(share, width)
    return Content.assemble((filled, "$accent"), ("─" * (width - len(filled)), "$faint"))


def _ended(state: RunState, width: int) -> Content:
    match state.status:
        case "finished":
            return Content.styled(
                "✓ " + (state.end_message or "All epochs done; model tested and report written."), "$good"
            )
        case "stopped":
            return Content("■ stopped: " + state.end_message)
        case "failed":
            return Content.styled("✗ " + state.end_message, "$bad") + Content.styled("  The log has the traceback.", "")
        case "lost":
            where = f"after {counted(state.epochs_done, 'epoch')}" if state.epochs_done else "before its first epoch"
            return Content.styled(
                f"? The trainer died (killed, out of memory or rebooted) {where}. The run can be resumed.", "$bad"
            )
        case _:
            return Content("This run has not been started.")


CONSEQUENCES = {
    signal.SIGTERM: "A responsive trainer takes it as a request to stop: it saves, tests and reports.",
    signal.SIGKILL: "It ends at once. Work since its last checkpoint is lost; resume continues from there.",
}
"""Effect of each signal, in the order in which they are offered."""
SHOWN_SECONDS = 8.0
"""How long an answer stays in view."""


class PendingRequest(actions.RequestTracker):
    """The open request, and the line about it."""

    def __init__(self, run: RunFolder, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(run, clock)
        self._shown: tuple[Content, float] | None = None

    @property
    def is_open(self) -> bool:
        """Whether `notice` has a line to show, or just had one."""
        return self.open is not None or self._shown is not None

    def say(self, text: Content) -> None:
        """Show a line for a while."""
        self._shown = text, self._clock()

    def notice(self, state: RunState, key: str) -> Content | None:
        """A line about the open request, if any; closes it once its answer is in ``state``.

        Args:
            key: the key that sends the signal.
        """
        if (settled := self.settle(state)) is not None:
            request, answer = settled
            if answer is None:
                self.say(Content.styled(f"! {request.kind}: the trainer ended without answering.", "$warn"))
            else:
                mark, style = ("✓", "$good") if answer.accepted else ("!", "$warn")
                self.say(Content.styled(f"{mark} {request.kind}: {answer.message}", style))
        if self.open is not None:
            return self._waiting(self.open, key)
        if self._shown is not None and self._clock() - self._shown[1] >= SHOWN_SECONDS:
            self._shown = None
        return self._shown and self._shown[0]

    def _waiting(self, request: actions.OpenRequest, key: str) -> Content:
        due = self.next_signal()
        if due is None:
            what = f"{request.signals[-1].name} sent" if request.signals else request.kind
            return Content(f"… {what}: waiting for the trainer")
        silent = f"{request.signals[-1].name} sent, but the trainer is still alive" if request.signals else "no answer"
        return Content.styled(
            f"! {request.kind}: {silent} after {control.ANSWER_SECONDS:.0f} s. {key} offers {due.name}.", "$warn"
        )
