"""The lock a trainer holds while it lives. The kernel lets go of it, however the trainer dies.

The launcher takes the lock and hands its open file to the trainer, so there is no moment between the two in which a
run that has just been started looks dead, and two launchers never start one run twice.
"""

import contextlib
import fcntl
import os
import time
from pathlib import Path
from types import TracebackType

INHERITED = "GENRE_TUI_LOCK_FD"
"""Environment variable in which a launcher names the descriptor that already holds the lock."""

PATIENCE = 1.0
"""Seconds for which `RunLock.acquire` tries again: whoever looks whether the lock is held has it for an instant."""


class RunLock:
    """An exclusive lock on one run. Also a context manager; the file holds the owner's process id and a time."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Takes the lock, or takes it over from the launcher of this process. False when another process has it."""
        self._descriptor = _adopt(self.path)
        if self._descriptor is None and _torchrun_holds(self.path):
            return True  # for as long as this process lives
        if self._descriptor is None:
            self._descriptor = _open_locked(self.path)
        if self._descriptor is None:
            return False
        self.sign(os.getpid())
        return True

    def sign(self, pid: int) -> None:
        """Writes down who holds the lock, and since when."""
        assert self._descriptor is not None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{pid} {time.time():.6f}\n".encode(), 0)

    def fileno(self) -> int:
        assert self._descriptor is not None
        return self._descriptor

    def release(self) -> None:
        """Lets go of this process' hold; a process that inherited the open file keeps its own."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> "RunLock":
        if not self.acquire():
            raise BlockingIOError(f"{self.path} is held by another process")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def is_held(path: Path) -> bool:
    """Whether a living process holds the lock. A lock file that does not exist is not held."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)


def holder(path: Path) -> tuple[int, float] | None:
    """Process id of whoever holds, or last held, the lock, and when it took it (Unix seconds); None if unknown."""
    with contextlib.suppress(OSError, ValueError):
        pid, since = Path(path).read_text().split()
        return int(pid), float(since)
    return None


def _torchrun_holds(path: Path) -> bool:
    """Whether this process is a child of a torchrun that has the lock, and keeps it through its children's deaths."""
    held_by = holder(path) or (0, 0.0)
    return "TORCHELASTIC_RUN_ID" in os.environ and held_by[0] == os.getppid() and is_held(path)


def _open_locked(path: Path) -> int | None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(descriptor)
                return None
            time.sleep(0.02)


def _adopt(path: Path) -> int | None:
    """The inherited descriptor, if it is an open file on this very lock; grandchildren do not get it."""
    named = os.environ.pop(INHERITED, None)
    if named is None or not named.isdecimal():
        return None
    descriptor = int(named)
    try:
        same = os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return None
    if not same:
        return None
    os.set_inheritable(descriptor, False)
    return descriptor
