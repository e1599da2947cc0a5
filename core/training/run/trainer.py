"""The life of a trainer around its work: lock, journal, signals, and a last word whatever happens.

Imports no torch: its first event is out, and a stop is heard, before the heavy libraries are there.
"""

import os
import traceback
from contextlib import ExitStack
from pathlib import Path

import msgspec

from core.dataset.pack_manifest import is_pack, read_pack_index
from core.runs.folder import RunFolder
from core.runs.journal.events import Event, RunFailed, RunFinished, RunStopped, Warned
from core.runs.journal.journal import JournalReader
from core.runs.lock import INHERITED, RunLock
from core.training.distributed.ranks import ranks
from core.training.errors import EndedAtOnce
from core.training.recipe import Recipe, from_dict, to_dict
from core.training.run.control import ControlHandler
from core.training.run.event_logger import EventLogger, OnEvent, run_started
from core.util.device import is_surely_cpu, processor_name
from core.util.errors import UserError


def run_trainer(folder: Path | str, on_event: OnEvent | None = None) -> Event:
    """Trains the run in ``folder`` to its end, from the beginning or from its last.pth, in this process.

    Everything that happens goes to the run's journal and log, and to ``on_event`` (called from several threads, one at
    a time). In the main thread SIGINT and SIGTERM are requests to stop; a second one ends the work at once.

    Returns:
        The last event: `RunFinished`, `RunStopped`, or `RunFailed` for whatever went wrong.

    Raises:
        UserError: the run is at work in another process, or there is no such run; nothing has been written then.
    """
    run = RunFolder(Path(folder))
    if not run.exists():
        raise UserError(f"{run.path} is no run: it holds no recipe.json.")
    with ExitStack() as stack:
        launched = INHERITED in os.environ
        lock = RunLock(run.lock_path)
        if not lock.acquire():
            raise UserError(f"{run.name} is running already")
        stack.callback(lock.release)
        if not launched:  # a launcher has dropped the requests to an earlier life; one to this life may be there by now
            run.control_path.unlink(missing_ok=True)
        logger = stack.enter_context(EventLogger(run, on_event))
        with ControlHandler(run, logger) as requests:
            ending = _ending(run, logger, requests)
        return logger.emit(ending)  # no longer a moment to be interrupted in


def _ending(run: RunFolder, logger: EventLogger, requests: ControlHandler) -> Event:
    """Does the work; whatever becomes of it, there is a last event to tell."""
    try:
        return _work(run, logger, requests)
    except EndedAtOnce:
        message = "ended at once, without test and report; resume goes on from what was saved last"
        return RunStopped(seconds=logger.seconds, message=message)
    except UserError as error:
        return RunFailed(error=str(error), traceback="")
    except Exception as error:
        if ranks().restarts_left:
            logger.emit(Warned(message=f"all processes start again from what was saved last ({_in_short(error)})"))
            raise
        return RunFailed(error=_in_short(error), traceback=traceback.format_exc())


def _in_short(error: Exception) -> str:
    said, name = str(error).strip().splitlines(), type(error).__name__
    return f"{name}: {said[0]}" if said else name


def has_ended(run: RunFolder) -> bool:
    """Whether the journal ends with the end of a life."""
    reader, last = JournalReader(run.journal_path), None
    while events := reader.read():
        last = events[-1]
    return isinstance(last, RunFinished | RunStopped | RunFailed)


def _work(run: RunFolder, logger: EventLogger, requests: ControlHandler) -> Event:
    recipe = _recipe(run)
    requests.epochs = recipe.epochs
    announced = not run.last_path.exists() and is_surely_cpu(recipe.device)
    if announced:
        logger.emit(run_started(recipe, "cpu", processor_name()))
    from core.training.run.run import Run  # torch comes with it

    return Run(run, recipe, logger, requests).follow(announced=announced)


def _recipe(run: RunFolder) -> Recipe:
    """The run's recipe. A feature pack was made by a front end of its own, which then is the recipe's too."""
    try:
        recipe = from_dict(run.read_recipe())
        data = Path(recipe.data)
        if not is_pack(data) or (front_end := read_pack_index(data).front_end) == recipe.front_end:
            return recipe
        recipe = from_dict(to_dict(recipe) | {"front_end": msgspec.to_builtins(front_end)})
    except msgspec.ValidationError as error:
        raise UserError(f"{run.recipe_path} is no recipe: {error}") from error
    run.write_recipe(to_dict(recipe))
    return recipe
