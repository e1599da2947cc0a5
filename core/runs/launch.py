"""Starting the trainer: a process of its own, in a session of its own, that outlives whoever started it."""

import contextlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import core
from core.runs.folder import RunFolder
from core.runs.lock import INHERITED, RunLock
from core.util.errors import UserError
from core.util.parallel import cores

MODULE = "core.training"

RESTARTS = 3
"""How often the processes of a run are started again, when one of several has died."""

STOP_SECONDS = 600
"""How long several processes may take to end after a signal, with evaluation and report, before they are killed."""


def launch(run: RunFolder, *, module: str = MODULE) -> int:
    """Starts the trainer of ``run`` and returns its process id without waiting for anything.

    A recipe that asks for several processes has torchrun start them, and start them again from last.pth when one dies.
    It begins anew, or goes on from last.pth if there is one. The lock is held from here on (see `core.runs.lock`), so
    the run counts as running at once. Requests that an earlier life left unanswered are dropped.

    Raises:
        UserError: the run is running already, or its folder cannot be written to.
    """
    lock = RunLock(run.lock_path)
    processes = int(run.read_recipe().get("processes", 1))
    try:
        if not lock.acquire():
            raise UserError(f"{run.name} is running already")
        with contextlib.suppress(FileNotFoundError):
            run.control_path.unlink()
        with run.trainer_log_path.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *_torchrun(processes), "-m", module, str(run.path)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=(lock.fileno(),),
                env=_environment(lock.fileno(), processes),
            )
        lock.sign(process.pid)
    except OSError as error:
        raise UserError(f"{run.path} cannot be trained in: {error.strerror}") from error
    finally:
        lock.release()
    # Somebody has to take the exit status, or the process stays behind as a zombie while this one lives.
    threading.Thread(target=process.wait, daemon=True, name=f"reaper-{process.pid}").start()
    return process.pid


def _torchrun(processes: int) -> list[str]:
    if processes == 1:
        return []
    return [
        *("-m", "torch.distributed.run", "--standalone"),
        *(f"--nproc-per-node={processes}", f"--max-restarts={RESTARTS}", f"--shutdown-timeout={STOP_SECONDS}"),
    ]


def _environment(lock: int, processes: int) -> dict[str, str]:
    root = str(Path(core.__file__).parents[1])
    paths = [root, *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    return os.environ | {
        INHERITED: str(lock),
        "PYTHONUNBUFFERED": "1",
        **({} if processes == 1 else {"OMP_NUM_THREADS": _threads(processes)}),
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
    }


def _threads(processes: int) -> str:
    """The processor's cores divided among the processes, unless the environment says otherwise."""
    return os.environ.get("OMP_NUM_THREADS") or str(max(1, cores() // processes))
