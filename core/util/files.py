"""Paths as people type them, and files opened safely: FIFOs do not block, and a full disk loses no line."""

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
"""More than any recipe, request or settings file."""
DEEPEST = 100
"""Folders inside each other that are searched, on disk or in an archive."""
BLOCK = 64 * 1024
StructT = TypeVar("StructT", bound=msgspec.Struct)


def open_regular(path: Path, flags: int = os.O_RDONLY) -> int:
    """A descriptor of the regular file at ``path``, opened without waiting for anybody.

    Args:
        flags: as `os.open` takes them; with ``O_CREAT`` the file may be new.

    Raises:
        OSError: it cannot be opened, or is a folder, FIFO, socket or device.
    """
    try:
        # Opening a FIFO waits for its other end, unless it is opened without blocking.
        descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if error.errno == errno.ENXIO:  # a FIFO without a reader, a socket, or a device that is not there
            raise _not_regular(path) from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _not_regular(path)
    return descriptor


def typed_path(text: str) -> Path:
    """The absolute path that a person typed. A ``~`` of no user is a name like any other, as it is in a shell."""
    return Path(os.path.expanduser(text)).absolute()  # noqa: PTH111  # Path.expanduser raises RuntimeError then


def read_small(path: Path, limit: int = SMALL_FILE_BYTES) -> bytes:
    """The content of a regular file of at most ``limit`` bytes.

    Raises:
        OSError: it cannot be read, is not a regular file, or is larger.
    """
    with os.fdopen(open_regular(path), "rb") as file:
        # Not by its size: files of /proc have none, and a file can grow. A large buffer is slow to allocate.
        data = file.read(min(BLOCK, limit + 1))
        if len(data) == BLOCK:
            data += file.read(limit + 1 - BLOCK)
    if len(data) > limit:
        raise OSError(errno.EFBIG, f"it is larger than {limit / 2**20:,.0f} MB", os.fspath(path))
    return data


def read_json(path: Path, kind: type[StructT], limit: int = SMALL_FILE_BYTES) -> StructT | None:
    """What a JSON file of our own holds; None where there is none, or it cannot be read or used."""
    try:
        return msgspec.json.decode(read_small(path, limit), type=kind)
    except (OSError, ValueError, RecursionError):  # msgspec's errors are ValueErrors
        return None


def _not_regular(path: Path) -> OSError:
    return OSError(errno.EINVAL, "it is not a regular file", os.fspath(path))


class SeekableReader(io.RawIOBase):
    """A file that is only read; a subclass has `seek` and `readinto`, by the position ``_at``."""

    _at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at


class AppendFile:
    """An append-only file with one writer. Bytes a full disk did not take stay queued, so no line is ever torn.

    Attributes:
        error: why the last write failed; None when everything is on disk.
        failed_writes: failed attempts since the last one that left nothing queued.
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
        """Appends ``data`` after what is queued; whether all of it is on disk now."""
        self._queued += data
        return self.flush()

    def flush(self) -> bool:
        """Tries to write what is queued; whether nothing is left."""
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
        """Writes what is queued if it can be written, syncs the file to disk and closes it."""
        self.flush()
        with contextlib.suppress(OSError):
            os.fsync(self.descriptor)
        os.close(self.descriptor)


def free_space(path: Path) -> str:
    """Such as ``1.2 GB free on /home``: the free space of the disk that ``path`` is on, and where it is mounted."""
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
