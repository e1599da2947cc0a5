"""What can be done to a run from a list. All of it may wait for a trainer or a disk: call it outside the event loop."""

from core.errors import UserError
from core.runs.folder import RunFolder
from core.runs.launch import launch
from core.runs.state import RunState
from core.training.recipe import MOST_EPOCHS
from tui.commands.asking import ask_and_wait


def stop(run: RunFolder) -> str:
    """What the trainer answered. Raises UserError when it is not there or does not answer."""
    return ask_and_wait(run, "stop").message


def pause(run: RunFolder) -> str:
    return ask_and_wait(run, "pause").message


def go_on(run: RunFolder) -> str:
    """Wake a paused run, or launch one that has ended or was lost exactly where it stood."""
    state = run.state()
    if state.alive:
        return ask_and_wait(run, "resume").message
    if state.status == "finished":
        raise UserError(f"{run.name} is finished: extend it to train for more epochs")
    launch(run)
    return f"goes on from epoch {state.epochs_done}"


def extend(run: RunFolder, epochs: int) -> str:
    """Train until ``epochs`` are done, whether the run is running or has ended."""
    state = run.state()
    if objection := objection_to(epochs, run.name, state):
        raise UserError(objection)
    if state.alive:
        return ask_and_wait(run, "extend", epochs=epochs).message
    run.write_recipe(run.read_recipe() | {"epochs": epochs})
    launch(run)
    return f"goes on to epoch {epochs}"


def objection_to(epochs: int, name: str, state: RunState) -> str | None:
    """Why a run cannot be extended to ``epochs`` in all."""
    if epochs <= state.epochs_done:
        return f"{name} has done {state.epochs_done} epochs already; ask for more than that"
    if state.status == "finished" and epochs == state.epochs:
        return f"{name} ended before its {epochs} epochs were over; ask for another number, and it goes on"
    if epochs > MOST_EPOCHS:
        return f"a run has at most {MOST_EPOCHS:,} epochs"
    return None


def total_epochs(text: str, asked: int) -> int:
    """``40`` or ``+20``.

    Raises:
        UserError: it is neither.
    """
    text = text.strip()
    if not text.removeprefix("+").isdecimal():
        raise UserError("write a number of epochs, such as 40, or +20 for twenty more")
    return asked + int(text) if text.startswith("+") else int(text)
