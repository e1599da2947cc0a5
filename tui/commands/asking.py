"""Asking a running trainer for something and waiting for its answer."""

import math

from core.errors import UserError
from core.runs.control import ANSWER_SECONDS, Kind, request, wait_for_answer
from core.runs.events import RequestAnswered
from core.runs.folder import RunFolder
from tui.commands.common import narrate
from tui.exits import DONE, FAILED


def ask(run: RunFolder, kind: Kind, *, epochs: int | None = None) -> int:
    """Puts the request, prints the trainer's answer, and returns the exit status.

    Raises:
        UserError: the run is not running, or the trainer did not answer in time.
    """
    answer = ask_and_wait(run, kind, epochs=epochs)
    narrate(f"{run.name}: {answer.message}")
    return DONE if answer.accepted else FAILED


def ask_and_wait(run: RunFolder, kind: Kind, *, epochs: int | None = None) -> RequestAnswered:
    state = run.state()
    if not state.alive:
        raise UserError(f"{run.name} is {state.status}, not running: there is nobody to ask to {kind}")
    request_id = request(run.path, kind, epochs=epochs)
    if (answer := wait_for_answer(run.path, request_id)) is not None:
        return answer
    now = run.state()
    if not now.alive:
        raise UserError(f"{run.name} ended ({now.status}) before it could answer")
    waited = math.ceil(ANSWER_SECONDS)
    raise UserError(
        f"{run.name} has not answered in {waited} s (phase: {now.phase}); the request stands and may yet be answered. "
        f"If the trainer hangs, kill {now.pid} ends it at its next batch, kill -9 {now.pid} at once"
    )
