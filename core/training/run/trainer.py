"""The trainer process around a run: lock, journal, signals, and a last event in all cases.

Imports no torch, so that the first event is written and requests are answered before large libraries are loaded.
"""

import os
import re
import shutil
import signal
import time
import traceback
from contextlib import ExitStack
from pathlib import Path

import msgspec

from core.dataset.pack_manifest import is_pack, read_pack_index
from core.runs.directory import register
from core.runs.folder import RunFolder
from core.runs.journal.events import Event, RunFailed, RunFinished, RunStopped, Warned
from core.runs.journal.journal import JournalReader
from core.runs.launch import become_torchrun
from core.runs.lock import INHERITED, RunLock
from core.training.errors import Diverged, EndedAtOnce, StopRequested, is_out_of_memory
from core.training.recipe import Recipe, from_dict, to_dict
from core.training.run.control import ControlHandler
from core.training.run.device_use import DeviceUse
from core.training.run.event_logger import EventLogger, Logger, NullLogger, OnEvent, run_started
from core.training.run.phases import PhaseTimer
from core.training.run.write_guard import WriteGuard
from core.util.device import is_surely_cpu, processor_name
from core.util.errors import UserError
from core.util.parallel import dist_info

OUTPUTS = ("last", "best_model", "recipe", "split", "report", "Spectrograms", "Plots")
"""Stems of files that only the trainer writes, first under temporary names."""
TEMPORARY = re.compile(rf"\.(?:{'|'.join(OUTPUTS)})-[0-9a-z_]{{8}}(?:\.\w+)?")
WITHOUT_LOCKS = (
    "the runs folder is on a file system without locks (flock): a heartbeat stands in for them, so a trainer that was "
    "killed counts as running for half a minute"
)


def run_trainer(folder: Path | str, on_event: OnEvent | None = None, *, queued: bool = False) -> Event:
    """Train the run in ``folder`` in this process, from the beginning or from its last.pth.

    Events are written to the run's journal and log and passed to ``on_event``, which is called from several threads,
    one at a time. In the main thread SIGINT and SIGTERM are requests to stop; a second signal ends the run
    immediately. A ``queued`` run first waits until no other run uses its device.

    Returns:
        The last event: `RunFinished`, `RunStopped`, or `RunFailed` for any error.

    Raises:
        UserError: another process trains the run, or the run does not exist. Nothing was written then.
    """
    run = RunFolder(Path(folder))
    if not run.exists():
        raise UserError(f"{run.path} is not a run: it holds no recipe.json.")
    with ExitStack() as stack:
        launched = INHERITED in os.environ
        lock = RunLock(run.lock_path)
        if not lock.acquire():
            raise UserError(f"{run.name} is running already")
        stack.callback(lock.release)
        if not launched:  # a launcher drops earlier requests itself, and there may be a new one
            run.control_path.unlink(missing_ok=True)
            register(run)
        remove_leftovers(run)
        logger = stack.enter_context(EventLogger(run, on_event))
        if not lock.supported:
            logger.emit(Warned(message=WITHOUT_LOCKS))
        devices = stack.enter_context(DeviceUse(queued=queued))
        with ControlHandler(run, logger) as control:
            ending = _ending(run, logger, control, devices, lock)
        return logger.emit(ending)  # signals no longer interrupt from here on


def run_ddp_worker(folder: Path) -> None:
    """Train on a non-zero rank until rank 0 has finished training.

    Raises:
        RuntimeError: another process died; torchrun then restarts all of them.
    """
    # torchrun passes signals to all ranks, and rank 0 handles them.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    run, logger = RunFolder(folder), NullLogger()
    try:
        _train(run, logger, ControlHandler(run, logger))
    except Diverged:
        pass  # rank 0 reports it
    except Exception:
        if not has_ended(run):
            raise


def has_ended(run: RunFolder) -> bool:
    """Whether the journal ends with a last event or the run folder was deleted."""
    if not run.path.exists():
        return True
    reader, last = JournalReader(run.journal_path), None
    while events := reader.read():
        last = events[-1]
    return isinstance(last, RunFinished | RunStopped | RunFailed)


def remove_leftovers(run: RunFolder) -> None:
    """Remove temporary files of a trainer that was killed while writing, which may be gigabytes."""
    for path in [*run.path.glob(".*"), *run.plots_path.glob(".*")]:
        if TEMPORARY.fullmatch(path.name) or path.parent == run.plots_path:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _ending(run: RunFolder, logger: EventLogger, control: ControlHandler, devices: DeviceUse, lock: RunLock) -> Event:
    """Train; returns a last event in all cases."""
    try:
        return _train(run, logger, control, devices, lock)
    except EndedAtOnce:
        message = "ended immediately, without test and report; resume continues from the last checkpoint"
        return RunStopped(seconds=logger.seconds, message=message)
    except UserError as error:
        return RunFailed(error=str(error), traceback="", diverged=isinstance(error, Diverged))
    except Exception as error:
        if dist_info().restarts_left:
            logger.emit(Warned(message=f"all processes restart from the last checkpoint ({_first_line(error)})"))
            raise
        if is_out_of_memory(error):
            wanted = re.search(r"allocate ([\d.]+ \w+)", str(error))
            asked = f" ({wanted[1]} more were asked for)" if wanted else ""
            hint = "close other programs, or choose a smaller batch size or model"
            return RunFailed(error=f"There is not enough memory{asked}: {hint}.", traceback="")
        return RunFailed(error=_first_line(error), traceback=traceback.format_exc())


def _first_line(error: Exception) -> str:
    text, name = str(error).strip().splitlines(), type(error).__name__
    return f"{name}: {text[0]}" if text else name


def _train(
    run: RunFolder,
    logger: Logger,
    control: ControlHandler,
    devices: DeviceUse | None = None,
    lock: RunLock | None = None,
) -> Event:
    """
    Args:
        devices: the devices, which rank 0 takes for all ranks; None on other ranks, like ``lock``.
    """
    phases = PhaseTimer(lambda: time.monotonic() - control.paused_seconds)
    guard = WriteGuard(run, logger.emit, control.locate)
    recipe = _recipe(run, guard)
    control.epochs = recipe.epochs
    if devices is not None:
        try:
            with phases.during("queue"):
                devices.take(recipe, logger, control)
        except StopRequested:
            resumable = "; resume continues from the last checkpoint" if run.last_path.exists() else ""
            return RunStopped(seconds=logger.seconds, message=f"cancelled while it was queued{resumable}")
        if recipe.processes > 1 and devices.queued and lock is not None:
            become_torchrun(recipe.processes, lock.fileno(), devices.fileno())
    announced = not run.last_path.exists() and is_surely_cpu(recipe.device)
    if announced:
        logger.emit(run_started(recipe, "cpu", processor_name()))
    from core.training.run.run import Run  # imports torch

    return Run(run, recipe, logger, control, guard, phases).train(announced=announced)


def _recipe(run: RunFolder, guard: WriteGuard) -> Recipe:
    """The run's recipe; recipe.json is updated if a feature pack's front end replaces its own."""
    recipe = read_recipe(run)
    if dist_info().is_leader and from_dict(run.read_recipe()) != recipe:
        guard.attempt(run.recipe_path.name, lambda: run.write_recipe(to_dict(recipe)), patiently=True)
    return recipe


def read_recipe(run: RunFolder) -> Recipe:
    """The run's recipe, with the front end of the feature pack if the dataset is one.

    Raises:
        UserError: it is not a valid recipe, or a run that has a last.pth started with another front end or encoder.
    """
    try:
        recipe = from_dict(run.read_recipe())
        data = Path(recipe.data)
        if is_pack(data) and (front_end := read_pack_index(data).front_end) != recipe.front_end:
            recipe = from_dict(to_dict(recipe) | {"front_end": msgspec.to_builtins(front_end)})
    except (msgspec.ValidationError, RecursionError) as error:
        raise UserError(f"{run.recipe_path} is not a valid recipe: {error}") from error
    if run.last_path.exists():
        _check_front_end(run, recipe)
    return recipe


def _check_front_end(run: RunFolder, recipe: Recipe) -> None:
    try:
        former = from_dict(run.state().recipe)
    except msgspec.ValidationError:  # a damaged journal
        return
    for what, old, new in (
        ("front end", former.front_end, recipe.front_end),
        ("encoder", former.encoder, recipe.encoder),
    ):
        was, now = (msgspec.to_builtins(settings) or {} for settings in (old, new))
        changed = [name for name in was | now if was.get(name) != now.get(name) and name != "name"]  # it may be moved
        if changed:
            raise UserError(
                f"The {what} is no longer the one that this run began with ({changed[0]} was {was.get(changed[0])} and "
                f"is now {now.get(changed[0])}): put it back, or start a new run."
            )


def check_resumable(run: RunFolder) -> None:
    """Check whether a run with a last.pth can resume: scan its dataset as its trainer would, without writing anything.

    A finished run that cannot be extended thus stays finished, because its trainer is not started.

    Raises:
        UserError: recipe, dataset, labels or encoder are no longer those that the run started with.
    """
    from core.dataset.clip import searched_seconds
    from core.dataset.scan import scan
    from core.models.encoders.load import encoder_settings
    from core.training.run.split_file import SPLIT, first_split, read_split

    recipe = read_recipe(run)
    rows = read_split(run.path / SPLIT)
    seconds = searched_seconds(recipe.front_end.seconds, recipe.excerpts)
    clips = scan(recipe.data, labels=recipe.labels, seconds=seconds).clips
    split = first_split(clips, rows)
    if recipe.encoder is None:
        return
    try:
        encoder_settings(recipe.encoder.name)
    except UserError:
        from core.models.encoders.embeddings import count_missing  # imports torch

        used = [clips[i] for part in (split.train, split.valid, split.test) for i in part]
        if count_missing(used, recipe.encoder, recipe.front_end.seconds, recipe.excerpts):
            raise
