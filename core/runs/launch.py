"""Starting the trainer as a process in its own session, which outlives the process that started it."""

import contextlib
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import NoReturn

import core
from core.runs.directory import register
from core.runs.folder import RunFolder
from core.runs.lock import INHERITED, STALE_SECONDS, RunLock, holder
from core.runs.queue import HeldTicket
from core.util.device import device_ids
from core.util.errors import UserError, explained
from core.util.files import open_regular
from core.util.parallel import cores

MODULE = "core.training"
QUEUE = "--queue"
"""Argument that makes the trainer wait for its device."""

CHECK, REFUSED = "--check", 3
"""Argument that makes the trainer only check whether the run can resume, and its exit status if it cannot."""
CHECK_SECONDS = 60
"""Time after which the check of a very large dataset is left to the trainer."""

RESTARTS = 3
"""How often the processes of a run are restarted after one of them died."""

STOP_SECONDS = 600
"""How long several processes may take for evaluation and report after a signal before they are killed."""


def launch(run: RunFolder, *, module: str = MODULE, queue: bool = False) -> int:
    """Start the trainer of ``run``; returns its process id without waiting for it.

    It resumes from last.pth if that exists. If the recipe has several processes, torchrun starts them, for a queued
    run when it is its turn, and restarts them from last.pth if one dies. The lock is held from here on (see
    `core.runs.lock`), so the run counts as running immediately. Unanswered requests to an earlier trainer are dropped.

    Args:
        queue: the trainer waits until no other run uses its device. It is queued here, so that runs are served in the
            order in which they were launched.

    Raises:
        UserError: the run is running already, here or on another host, or its folder cannot be written to.
    """
    state = run.state()
    if state.elsewhere:
        raise UserError(
            f"{run.name} is running on {state.host} (process {state.pid}), as its journal shows; "
            f"if that trainer was killed, try again in {STALE_SECONDS:.0f} s"
        )
    recipe = run.read_recipe()
    processes = recipe.get("processes", 1)
    if not isinstance(processes, int):
        raise UserError(f"{run.recipe_path}: processes must be a whole number, not {processes!r}")
    lock, ticket = RunLock(run.lock_path), None
    try:
        if not lock.acquire():
            raise UserError(f"{run.name} is running already{_where(run)}")
        with contextlib.suppress(FileNotFoundError):
            run.control_path.unlink()
        if queue:
            ticket = HeldTicket.take(device_ids(str(recipe.get("device", "auto")), processes), running=False)
        held, says = ticket.hand_over() if ticket else (lock.fileno(), {})
        appending = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        with (
            explained(f"{run.trainer_log_path} cannot be written"),
            os.fdopen(open_regular(run.trainer_log_path, appending), "ab") as log,
        ):
            process = subprocess.Popen(
                [sys.executable, *([] if queue else _torchrun(processes)), "-m", module, str(run.path)]
                + ([QUEUE] if queue else []),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=(lock.fileno(), held),
                env=_environment(lock.fileno(), processes) | says,
            )
        with contextlib.suppress(OSError):  # on a full disk; the trainer runs all the same
            lock.sign(process.pid)
        if ticket:
            ticket.handed_to(process.pid)
            ticket = None
        register(run)
    except OSError as error:
        raise UserError(f"no trainer can be started in {run.path}: {error.strerror}") from error
    finally:
        if ticket:
            ticket.release()
        lock.release()
    # Otherwise the process would remain a zombie while this one lives.
    threading.Thread(target=process.wait, daemon=True, name=f"reaper-{process.pid}").start()
    return process.pid


def check_resumable(run: RunFolder) -> None:
    """Check in a separate process whether the trainer could resume the run; it reads the dataset like the trainer.

    A run without a last.pth starts from the beginning and is not checked.

    Raises:
        UserError: it could not, because the dataset, its labels or the recipe has changed. Nothing was written.
    """
    if not run.last_path.exists():
        return
    try:
        checked = subprocess.run(
            [sys.executable, "-m", MODULE, str(run.path), CHECK],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=CHECK_SECONDS,
            env=os.environ | {"PYTHONPATH": _python_path()},
        )
    except (OSError, subprocess.TimeoutExpired):
        return  # the trainer will report it
    if checked.returncode == REFUSED:
        raise UserError(checked.stderr.strip().splitlines()[-1])


def become_torchrun(processes: int, lock: int, ticket: int) -> NoReturn:
    """Replace this trainer, whose turn it is, by torchrun with the same arguments and locks."""
    for descriptor in (lock, ticket):
        os.set_inheritable(descriptor, True)
    os.environ[INHERITED] = str(lock)
    command = [argument for argument in sys.orig_argv[1:] if argument != QUEUE]
    os.execv(sys.executable, [sys.executable, *_torchrun(processes), *command])


def _where(run: RunFolder) -> str:
    signed = holder(run.lock_path)
    return f" on {signed.host} (process {signed.pid})" if signed and signed.host else ""


def _torchrun(processes: int) -> list[str]:
    if processes == 1:
        return []
    return [
        *("-m", "torch.distributed.run", "--standalone"),
        *(f"--nproc-per-node={processes}", f"--max-restarts={RESTARTS}", f"--shutdown-timeout={STOP_SECONDS}"),
    ]


def _environment(lock: int, processes: int) -> dict[str, str]:
    return os.environ | {
        INHERITED: str(lock),
        "PYTHONUNBUFFERED": "1",
        **({} if processes == 1 else {"OMP_NUM_THREADS": _threads(processes)}),
        "PYTHONPATH": _python_path(),
    }


def _python_path() -> str:
    root = str(Path(core.__file__).parents[1])
    return os.pathsep.join(path for path in [root, *os.environ.get("PYTHONPATH", "").split(os.pathsep)] if path)


def _threads(processes: int) -> str:
    """CPU cores per process, unless the environment sets another number."""
    return os.environ.get("OMP_NUM_THREADS") or str(max(1, cores() // processes))
