"""Actions on runs, for commands and screens: start, stop, pause, resume, extend, signal.

They may wait for a trainer or a disk, so call them outside an event loop.
"""

import contextlib
import math
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from core.runs import control, directory, lock
from core.runs.control import Kind
from core.runs.directory import create, scan_runs
from core.runs.folder import MOST_EPOCHS, TRASH, RunFolder, checked_name
from core.runs.journal.events import RequestAnswered
from core.runs.journal.state import RunState
from core.runs.launch import check_resumable, launch
from core.runs.notices import Webhook, check_webhook, write_webhook
from core.util.errors import UserError, explained
from core.util.text import counted, printable

LAST_EVENT_SECONDS = 5.0
"""How long a trainer may take to end at once before it is killed."""


class InvalidEpochs(UserError):
    """A run cannot be extended to this number of epochs."""


@dataclass(frozen=True)
class Launched:
    """A trainer was started.

    Attributes:
        after: sequence number of the last event before the start.
        message: what happens now, as text.
    """

    after: int
    message: str


def start(
    runs_dir: Path,
    recipe: dict[str, Any],
    dataset: str,
    *,
    name: str | None = None,
    webhook: Webhook | None = None,
    prepare_only: bool = False,
    queue: bool = False,
) -> RunFolder:
    """Create a run folder and start its trainer, unless ``prepare_only`` leaves that to the caller.

    Args:
        queue: the trainer waits until no other run uses its device.

    Raises:
        UserError: the run cannot be created or started; no folder is left behind then.
    """
    if webhook:
        check_webhook(webhook)
    try:
        msgspec.json.encode(recipe)
    except UnicodeEncodeError as error:
        raise UserError(
            f"{printable(error.object)} is not UTF-8 and cannot be stored in the recipe of a run: rename it."
        ) from error
    run = create(runs_dir, recipe, dataset, str(recipe.get("preset") or recipe["model"]), name=name)
    try:
        if webhook:
            write_webhook(run, webhook)
        if not prepare_only:
            launch(run, queue=queue)
    except (UserError, OSError) as error:
        shutil.rmtree(run.path, ignore_errors=True)
        if isinstance(error, OSError):
            raise UserError(f"no run can be created in {runs_dir}: {error.strerror}") from error
        raise
    return run


def rename(run: RunFolder, name: str) -> RunFolder:
    """Rename a run; returns it with its new path.

    Raises:
        UserError: the run is running, the name is taken or unusable, or the runs folder cannot be written to.
    """
    folder, known = run.path.parent, directory.is_registered(run.path)
    renamed = run.rename(name)
    if known:
        directory.register(renamed)
    if (choice := directory.read_choice(folder)) is not None and choice.run == run.name:
        with contextlib.suppress(OSError):
            directory.write_choice(folder, directory.Choice(run=renamed.name))
    return renamed


def trashed(runs_dir: Path) -> list[str]:
    """The names of the runs in the trash of ``runs_dir``.

    Raises:
        UserError: the folder cannot be read.
    """
    return sorted(run.name for run in scan_runs(runs_dir / TRASH))


def restore(runs_dir: Path, name: str) -> RunFolder:
    """Restore a run from the trash of ``runs_dir``.

    Raises:
        UserError: it does not exist, another run has its name, or the runs folder cannot be written to.
    """
    run = RunFolder(runs_dir / TRASH / checked_name(name))
    if not run.exists():
        raise UserError(f"no run in the trash of {runs_dir} is called {name!r}; genre-tui restore lists them")
    target = RunFolder(runs_dir / run.name)
    if target.path.exists():
        raise UserError(f"there is already a run called {name}; rename that one first")
    with explained(f"{run.path} cannot be moved to {runs_dir}"):
        run.path.rename(target.path)
    if target.lock_path.exists():  # it was started once
        directory.register(target)
    return target


def ask(run: RunFolder, kind: Kind, *, epochs: int | None = None) -> RequestAnswered:
    """Send a request to the trainer of a live run and wait for the answer.

    Raises:
        UserError: the run has no trainer, or it did not answer in time.
    """
    state = run.state()
    if not state.alive:
        raise UserError(f"{run.name} is {state.status}, not running: there is no trainer to {kind}")
    request_id = send_request(run, kind, state, epochs=epochs)
    if (answer := control.wait_for_answer(run.path, request_id)) is not None:
        return answer
    now = run.state()
    if not now.alive:
        raise UserError(f"{run.name} ended ({now.status}) before it could answer")
    where = f" on {now.host}" if now.elsewhere else ""
    raise UserError(
        f"{run.name} has not answered for {math.ceil(control.ANSWER_SECONDS)} s (phase: {now.phase}), but may still "
        f"do so. If the trainer hangs, `kill {now.pid}`{where} ends it at its next batch, and `kill -9 {now.pid}` "
        "immediately"
    )


def send_request(run: RunFolder, kind: Kind, state: RunState, *, epochs: int | None = None) -> str:
    """Send a request to the trainer without waiting for the answer; returns the request's id.

    It replaces an unanswered request, except that only a stop replaces a stop.

    Raises:
        UserError: a stop has not been answered yet, or the run's folder cannot be written to.
    """
    pending = control.read_request(run.path)
    if kind != "stop" and pending is not None and pending.request == "stop" and pending.id not in state.answers:
        raise UserError(f"{run.name} was asked to stop and has not answered yet; it cannot be asked to {kind} now")
    with explained(f"{run.control_path} cannot be written"):
        return control.request(run.path, kind, epochs=epochs)


def resume(run: RunFolder, *, queue: bool = False) -> RequestAnswered | Launched:
    """Resume a paused run, or start the trainer of one that stopped, failed or was lost from its last checkpoint.

    Args:
        queue: a started trainer waits until no other run uses its device.

    Raises:
        UserError: the run is finished, cannot be started, or did not answer in time.
    """
    state = run.state()
    if state.alive:
        if state.status == "queued":
            raise UserError(f"{run.name} is queued (place {state.place}) and starts when its device is free")
        if state.elsewhere and not state.paused:
            raise UserError(f"{run.name} is running on {state.host} (process {state.pid})")
        return ask(run, "resume")
    if state.status == "finished":
        done = "its one epoch is" if state.epochs == 1 else f"all {counted(state.epochs, 'epoch')} are"
        raise UserError(f"{run.name} is finished: {done} done; extend it to train further")
    check_resumable(run)
    launch(run, queue=queue)
    return Launched(state.seq, f"resumes from epoch {state.epochs_done}")


def extend(run: RunFolder, epochs: int) -> RequestAnswered | Launched:
    """Extend a run to ``epochs`` in total, whether it is running or has ended.

    Raises:
        InvalidEpochs: the run cannot be extended to that number.
        UserError: the run cannot be started, or did not answer in time.
    """
    state = run.state()
    if objection := objection_to(epochs, run.name, state):
        raise InvalidEpochs(objection)
    if state.alive:
        return ask(run, "extend", epochs=epochs)
    check_resumable(run)
    former = run.read_recipe()
    try:
        run.write_recipe(former | {"epochs": epochs})
    except OSError as error:
        raise UserError(f"{run.recipe_path} cannot be written: {error.strerror}") from error
    try:
        launch(run)
    except UserError:
        run.write_recipe(former)
        raise
    return Launched(state.seq, f"trains to epoch {epochs}")


def objection_to(epochs: int, name: str, state: RunState) -> str | None:
    """Why a run cannot be extended to ``epochs`` in total; None if it can."""
    if epochs <= state.epochs_done:
        return f"{name} has done {counted(state.epochs_done, 'epoch')} already; ask for more than that"
    if state.status == "finished" and epochs == state.epochs:
        return f"{name} ended early, before epoch {epochs}; ask for more epochs, and it resumes"
    if epochs < state.epochs:
        return f"{name} is to train {counted(state.epochs, 'epoch')}; ask for at least as many, or stop it earlier"
    if epochs > MOST_EPOCHS:
        return f"a run has at most {MOST_EPOCHS:,} epochs"
    return None


def total_epochs(text: str, current: int) -> int:
    """Parse a total such as ``40`` or an increase such as ``+20``.

    Raises:
        InvalidEpochs: the text is neither.
    """
    text = text.strip()
    if not text.removeprefix("+").isdecimal():
        raise InvalidEpochs(f"epochs must be a number such as 40, or +20 for twenty more, not {text!r}")
    return current + int(text) if text.startswith("+") else int(text)


def send_signal(run: RunFolder, chosen: signal.Signals) -> None:
    """Send a signal to the trainer that holds the run's lock, and to no other process.

    Raises:
        UserError: it runs on another host, has ended, or belongs to another user.
    """
    state, signed = run.state(), lock.holder(run.lock_path)
    if state.host and state.host != socket.gethostname():
        raise UserError(f"The trainer runs on {state.host}; it can only be signalled there (process {state.pid}).")
    if signed is None or not run.is_alive():
        raise UserError("The trainer has ended.")
    with explained(f"{chosen.name} could not be sent to process {signed.pid}"):
        os.kill(signed.pid, chosen)


def end_at_once(run: RunFolder) -> None:
    """End the trainer without test and report, by a second SIGTERM and, if necessary, SIGKILL.

    Raises:
        UserError: it cannot be signalled, see `send_signal`.
    """
    for chosen, patience in ((signal.SIGTERM, 0.2), (signal.SIGTERM, LAST_EVENT_SECONDS), (signal.SIGKILL, 1.0)):
        if not run.is_alive():
            return
        send_signal(run, chosen)
        deadline = time.monotonic() + patience
        while run.is_alive() and time.monotonic() < deadline:
            time.sleep(0.02)


@dataclass
class OpenRequest:
    kind: Kind
    id: str
    at: float
    """When it was sent, or when the last signal was sent."""
    signals: tuple[signal.Signals, ...] = ()
    """Signals sent so far."""


class RequestTracker:
    """The open request of a viewer, until the trainer answers or ends, and the signals that may be sent if it does not.

    A signal may be sent only if there is no answer for `control.ANSWER_SECONDS`: first SIGTERM, which is a request to
    stop for a trainer that still responds, then SIGKILL.

    Attributes:
        open: the unanswered request; a new one replaces it.
    """

    def __init__(self, run: RunFolder, clock: Callable[[], float] = time.monotonic) -> None:
        self.open: OpenRequest | None = None
        self._run = run
        self._clock = clock

    def ask(self, kind: Kind, state: RunState, *, epochs: int | None = None) -> None:
        """Send a request; see `send_request`.

        Raises:
            UserError: it cannot be sent now.
        """
        self.open = OpenRequest(kind, send_request(self._run, kind, state, epochs=epochs), self._clock())

    def next_signal(self) -> signal.Signals | None:
        """The signal that may be sent now; None while the trainer still has time to answer."""
        if self.open is None or self._clock() - self.open.at < control.ANSWER_SECONDS:
            return None
        return signal.SIGTERM if signal.SIGTERM not in self.open.signals else signal.SIGKILL

    def send(self, chosen: signal.Signals) -> None:
        """Send a signal to the trainer.

        Raises:
            UserError: it cannot be signalled, see `send_signal`.
        """
        send_signal(self._run, chosen)
        if self.open is not None:
            self.open.signals += (chosen,)
            self.open.at = self._clock()

    def settle(self, state: RunState) -> tuple[OpenRequest, RequestAnswered | None] | None:
        """Return the request once it is closed, with its answer, or None if the trainer ended without one."""
        asked = self.open
        if asked is None:
            return None
        answer = state.answers.get(asked.id)
        if answer is None and state.alive is not False:
            return None
        self.open = None
        return asked, answer
