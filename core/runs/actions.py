"""What can be asked of a run: stop, pause, resume, extend. Commands, screens and the server use these.

Each may wait for a trainer or a disk, so call it outside an event loop.
"""

import math
from dataclasses import dataclass

from core.runs.control import ANSWER_SECONDS, MOST_EPOCHS, Kind, request, wait_for_answer
from core.runs.folder import RunFolder
from core.runs.journal.events import RequestAnswered
from core.runs.journal.state import RunState
from core.runs.launch import launch
from core.util.errors import UserError


class InvalidEpochs(UserError):
    """The number of epochs that a run should be extended to makes no sense for it."""


@dataclass(frozen=True)
class Launched:
    """A trainer was started for a run that had none.

    Attributes:
        after: sequence number of the last event before the start.
        message: what happens now, for people.
    """

    after: int
    message: str


def ask(run: RunFolder, kind: Kind, *, epochs: int | None = None) -> RequestAnswered:
    """Puts a request to the trainer of a live run and waits for the answer.

    Raises:
        UserError: the run has no trainer, or it did not answer in time.
    """
    state = run.state()
    if not state.alive:
        raise UserError(f"{run.name} is {state.status}, not running: there is no trainer to {kind}")
    request_id = request(run.path, kind, epochs=epochs)
    if (answer := wait_for_answer(run.path, request_id)) is not None:
        return answer
    now = run.state()
    if not now.alive:
        raise UserError(f"{run.name} ended ({now.status}) before it could answer")
    raise UserError(
        f"{run.name} has not answered in {math.ceil(ANSWER_SECONDS)} s (phase: {now.phase}); the request stands and "
        f"may yet be answered. If the trainer hangs, kill {now.pid} ends it at its next batch and "
        f"kill -9 {now.pid} at once"
    )


def resume(run: RunFolder) -> RequestAnswered | Launched:
    """Wakes a paused run, or starts the trainer of one that stopped, failed or was lost, exactly where it stood.

    Raises:
        UserError: the run is finished, cannot be started, or did not answer in time.
    """
    state = run.state()
    if state.alive:
        return ask(run, "resume")
    if state.status == "finished":
        raise UserError(f"{run.name} is finished: all {state.epochs} epochs are done; extend it to train further")
    launch(run)
    return Launched(state.seq, f"resumes from epoch {state.epochs_done}")


def extend(run: RunFolder, epochs: int) -> RequestAnswered | Launched:
    """Trains until ``epochs`` are done, whether the run is running or has ended.

    Raises:
        InvalidEpochs: the run cannot be extended to that number.
        UserError: the run cannot be started, or did not answer in time.
    """
    state = run.state()
    if objection := objection_to(epochs, run.name, state):
        raise InvalidEpochs(objection)
    if state.alive:
        return ask(run, "extend", epochs=epochs)
    run.write_recipe(run.read_recipe() | {"epochs": epochs})
    launch(run)
    return Launched(state.seq, f"trains to epoch {epochs}")


def objection_to(epochs: int, name: str, state: RunState) -> str | None:
    """Why a run cannot be extended to ``epochs`` in all; None where it can."""
    if epochs <= state.epochs_done:
        return f"{name} has done {state.epochs_done} epochs already; ask for more than that"
    if state.status == "finished" and epochs == state.epochs:
        return f"{name} ended before its {epochs} epochs were over; ask for another number, and it resumes"
    if epochs > MOST_EPOCHS:
        return f"a run has at most {MOST_EPOCHS:,} epochs"
    return None


def total_epochs(text: str, current: int) -> int:
    """The total that ``40`` or ``+20`` asks for, given the present total.

    Raises:
        InvalidEpochs: the text is neither.
    """
    text = text.strip()
    if not text.removeprefix("+").isdecimal():
        raise InvalidEpochs(f"epochs must be a number such as 40, or +20 for twenty more, not {text!r}")
    return current + int(text) if text.startswith("+") else int(text)
