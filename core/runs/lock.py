"""The lock that a trainer holds while it lives. The kernel releases it when the trainer dies for any reason.

The launcher takes the lock and the trainer inherits the descriptor, so a run that was just started never looks dead,
and a run is never started twice.

Some file systems do not support locks, and on others the locks of another host are not visible. There the holder's
host, process id and heartbeat (the time of the lock file, renewed every `HEARTBEAT_SECONDS`) are used instead.
"""

import contextlib
import errno
import fcntl
import os
import socket
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

from core.util.files import open_regular, read_small

INHERITED = "GENRE_TUI_LOCK_FD"
"""Environment variable with the descriptor of the launcher that already holds the lock."""

PATIENCE = 1.0
"""Seconds for which `RunLock.acquire` retries, because processes that test the lock hold it briefly."""

HEARTBEAT_SECONDS = 2.0
STALE_SECONDS = 30.0
"""Time without a heartbeat after which a holder is dead, if the kernel cannot tell."""
WATCH_SECONDS = 2.5 * HEARTBEAT_SECONDS
"""How long to wait for a heartbeat of another host, whose clock may differ from ours."""

UNSUPPORTED = frozenset({errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOLCK, errno.EINVAL})
"""Errors of flock on file systems without locks (some Lustre, NFS and FUSE mounts)."""


class Holder(NamedTuple):
    """The process that holds, or last held, a lock."""

    pid: int
    since: float
    """Unix seconds."""
    host: str
    """Empty in lock files of earlier versions."""
    boot: str = ""
    """The host's boot id at that time, because process ids are reused after a reboot; empty if unknown."""


class RunLock:
    """An exclusive lock on a run; also a context manager.

    Attributes:
        supported: whether the file system has locks; otherwise a heartbeat is used.
    """

    def __init__(self, path: Path, variable: str = INHERITED) -> None:
        """
        Args:
            variable: the environment variable that may name an inherited descriptor.
        """
        self.path = Path(path)
        self._variable = variable
        self.supported = True
        self._descriptor: int | None = None
        self._released = threading.Event()

    def acquire(self) -> bool:
        """Take the lock, or take it over from the launcher; returns False if another process has it.

        Raises:
            OSError: the folder does not exist or cannot be written to.
        """
        self._descriptor = _adopt(self.path, self._variable)
        if self._descriptor is None and _torchrun_holds(self.path):
            self._beat()
            return True  # for as long as this process lives
        if self._descriptor is None:
            self._descriptor = self._open_locked()
        if self._descriptor is None:
            return False
        self.sign(os.getpid())
        self._beat()
        return True

    def sign(self, pid: int) -> None:
        """Record the holder of the lock and the time."""
        assert self._descriptor is not None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{pid} {time.time():.6f} {socket.gethostname()} {boot_id()}\n".encode(), 0)

    def fileno(self) -> int:
        assert self._descriptor is not None
        return self._descriptor

    def release(self) -> None:
        """Release the lock in this process; a process that inherited the descriptor still holds it."""
        self._released.set()
        if self._descriptor is not None:
            if (signed := holder(self.path)) is not None and signed.pid == os.getpid():
                with contextlib.suppress(OSError):
                    os.utime(self._descriptor, (1, 1))  # a time in 1970 means that no heartbeat will follow
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> "RunLock":
        if not self.acquire():
            raise BlockingIOError(f"{self.path} is held by another process")
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _open_locked(self) -> int | None:
        descriptor = open_regular(self.path, os.O_RDWR | os.O_CREAT)
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    os.close(descriptor)
                    return None
                time.sleep(0.02)
            except OSError as error:
                if error.errno not in UNSUPPORTED:
                    os.close(descriptor)
                    raise
                self.supported = False
                break
        signed = holder(self.path)
        unseen = signed is not None and signed.host != "" and signed.host != socket.gethostname()
        if (unseen and is_beating(self.path)) or (not self.supported and _seems_held(self.path)):
            os.close(descriptor)
            return None
        return descriptor

    def _beat(self) -> None:
        """Renew the time of the lock file in a thread until the lock is released or the process ends."""
        file = open_regular(self.path)  # a separate descriptor, because the other may be closed at any time

        def beat() -> None:
            try:
                while not self._released.wait(HEARTBEAT_SECONDS):
                    with contextlib.suppress(OSError):  # the disk is unavailable or read-only
                        os.utime(file)
            finally:
                os.close(file)

        self._released.clear()
        threading.Thread(target=beat, daemon=True, name="heartbeat").start()


def is_held(path: Path) -> bool:
    """Whether a living process holds the lock; False if the lock file does not exist."""
    try:
        descriptor = open_regular(path)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return _seems_held(path)
    else:
        return False
    finally:
        os.close(descriptor)


def holder(path: Path) -> Holder | None:
    """The process that holds, or last held, the lock; None if unknown."""
    with contextlib.suppress(OSError, ValueError):
        pid, since, *place = read_small(path, 1000).decode().split()
        host, boot = [*place, "", ""][:2]
        return Holder(int(pid), float(since), host, boot)
    return None


def heartbeat(path: Path) -> int:
    """The time of the last heartbeat in nanoseconds of the file system's clock; 0 without a lock file."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def is_beating(path: Path) -> bool:
    """Whether there is a heartbeat within `WATCH_SECONDS`; waits for it."""
    before = heartbeat(path)
    if abs(time.time() - before / 1e9) > 24 * 3600:
        return False  # clocks do not differ by that much
    deadline = time.monotonic() + WATCH_SECONDS
    while time.monotonic() < deadline:
        if heartbeat(path) != before:
            return True
        time.sleep(0.05)
    return False


def supports_locks(folder: Path) -> bool:
    """Whether files in ``folder`` can be locked.

    Raises:
        OSError: the folder cannot be written to.
    """
    with tempfile.TemporaryFile(dir=folder) as file:
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in UNSUPPORTED:
                return False
            raise
    return True


def _seems_held(path: Path) -> bool:
    """Whether the lock is held on a file system without locks: its holder exists and its heartbeat is recent."""
    signed = holder(path)
    if signed is None or abs(time.time() - heartbeat(path) / 1e9) > STALE_SECONDS:
        return False
    if signed.host != socket.gethostname():
        return True
    rebooted = signed.boot != "" and boot_id() not in ("", signed.boot)
    return not rebooted and signed.pid != os.getpid() and _exists(signed.pid)


def boot_id() -> str:
    """An identifier of this boot of the host; empty if the system has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True


def _torchrun_holds(path: Path) -> bool:
    """Whether this process is a child of a torchrun that holds the lock even if its children die."""
    signed = holder(path)
    return "TORCHELASTIC_RUN_ID" in os.environ and signed is not None and signed.pid == os.getppid() and is_held(path)


def _adopt(path: Path, variable: str) -> int | None:
    """The inherited descriptor if it is an open file on this lock; it is not passed on to further children."""
    named = os.environ.pop(variable, None)
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
