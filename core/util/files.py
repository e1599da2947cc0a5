"""Typed paths, and opening files safely: FIFOs do not block, and a full disk does not lose lines."""

import contextlib
import errno
import io
import os
import shutil
import stat
from pathlib import Path
from typing import TypeVar

import msgspec

from core.util.errors import explained

SMALL_FILE_BYTES = 16 * 1024 * 1024
"""More bytes than any recipe, request or settings file has."""
LARGE_FILE_BYTES = 1 << 30
"""More bytes than any table or list of files has."""
DEEPEST = 100
"""Deepest nesting of folders that is searched, on disk or in an archive."""
BLOCK = 64 * 1024
StructT = TypeVar("StructT", bound=msgspec.Struct)


def open_regular(path: Path, flags: int = os.O_RDONLY) -> int:
    """Open the regular file at ``path`` without blocking; returns the descriptor.

    Args:
        flags: see `os.open`; with ``O_CREAT`` the file may be new.

    Raises:
        OSError: it cannot be opened, or is a folder, FIFO, socket or device.
    """
    try:
        # Opening a FIFO blocks until its other end is opened, unless it is opened in non-blocking mode.
        descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if error.errno == errno.ENXIO:  # a FIFO without a reader, a socket, or a missing device
            raise _not_regular(path) from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _not_regular(path)
    return descriptor


def typed_path(text: str) -> Path:
    """The absolute path for typed text. ``~NAME`` for an unknown user is a plain name, as in a shell."""
    return Path(os.path.expanduser(text)).absolute()  # noqa: PTH111  # Path.expanduser raises RuntimeError then


def read_small(path: Path, limit: int = SMALL_FILE_BYTES) -> bytes:
    """Read a regular file of at most ``limit`` bytes.

    Raises:
        OSError: it cannot be read, is not a regular file, or is larger.
    """
    with os.fdopen(open_regular(path), "rb") as file:
        # The size is not used, because files in /proc have none and files can grow. Large buffers are slow to allocate.
        data = file.read(min(BLOCK, limit + 1))
        if len(data) == BLOCK:
            data += file.read(limit + 1 - BLOCK)
    if len(data) > limit:
        raise _too_large(path, limit)
    return data


def read_input(path: Path, limit: int = SMALL_FILE_BYTES) -> bytes:
    """Read a file that the user named, of at most ``limit`` bytes; it may be a FIFO, as of a shell's ``<(...)``.

    Raises:
        OSError: it cannot be read, or is larger, as an endless device is.
    """
    with path.open("rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise _too_large(path, limit)
    return data


def read_json(path: Path, kind: type[StructT], limit: int = SMALL_FILE_BYTES) -> StructT | None:
    """Read one of the program's own JSON files; None if it is missing, too large, unreadable or not a ``kind``."""
    try:
        return msgspec.json.decode(read_small(path, limit), type=kind)
    except (OSError, ValueError, RecursionError):  # msgspec's errors are ValueErrors
        return None


def _too_large(path: Path, limit: int) -> OSError:
    return OSError(errno.EFBIG, f"it is larger than {limit / 2**20:,.0f} MB", os.fspath(path))


def _not_regular(path: Path) -> OSError:
    return OSError(errno.EINVAL, "it is not a regular file", os.fspath(path))


class SeekableReader(io.RawIOBase):
    """A read-only file; subclasses define `seek` and `readinto` in terms of the position ``_at``."""

    _at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at


class AppendFile:
    """An append-only file with one writer. Bytes that do not fit on the disk stay queued, so lines are never torn.

    Attributes:
        error: why the last write failed; None if everything is on disk.
        failed_writes: failed attempts since the queue was last empty.
    """

    def __init__(self, path: Path) -> None:
        """
        Raises:
            UserError: the file cannot be opened, or is not a regular file.
        """
        self.path = Path(path)
        with explained(f"{self.path} cannot be written"):
            self.descriptor = open_regular(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        self.error: OSError | None = None
        self.failed_writes = 0
        self._queued = bytearray()

    def write(self, data: bytes) -> bool:
        """Append ``data`` to the queue and write it; returns whether everything is on disk."""
        self._queued += data
        return self.flush()

    def flush(self) -> bool:
        """Try to write the queue; returns whether it is empty."""
        while self._queued:
            try:
                written = os.write(self.descriptor, self._queued)
            except OSError as error:
                self.error = error
                self.failed_writes += 1
                return False
            del self._queued[:written]
        self.error = None
        return True

    def close(self) -> None:
        """Write the queue if possible, sync the file to disk and close it."""
        self.flush()
        with contextlib.suppress(OSError):
            os.fsync(self.descriptor)
        os.close(self.descriptor)


def free_space(path: Path) -> str:
    """Free space and mount point of the disk of ``path``: ``1.2 GB free on /home``."""
    folder = Path(path).absolute()
    while not os.path.ismount(folder) and folder != folder.parent:
        folder = folder.parent
    try:
        free = float(shutil.disk_usage(folder).free)
    except OSError:
        return f"{folder} cannot be read"
    units = ["B", "kB", "MB", "GB", "TB"]
    while free >= 1000 and len(units) > 1:
        free, units = free / 1000, units[1:]
    return f"{free:.3g} {units[0]} free on {folder}"
