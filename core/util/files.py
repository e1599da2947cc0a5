"""Paths as people type them, and files that anybody may have put there: a FIFO does not block, a huge file fills no
memory."""

import errno
import os
import stat
from pathlib import Path

SMALL_FILE_BYTES = 16 * 1024 * 1024
"""More than any recipe, request or settings file."""
BLOCK = 64 * 1024


def open_regular(path: Path, flags: int = os.O_RDONLY, mode: int = 0o666) -> int:
    """A descriptor of the regular file at ``path``, opened without waiting for anybody.

    Args:
        flags: as `os.open` takes them; with ``O_CREAT`` the file may be new and gets ``mode``, less the umask.

    Raises:
        OSError: it cannot be opened, or is a folder, FIFO, socket or device.
    """
    try:
        # Opening a FIFO waits for its other end, unless it is told not to.
        descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, mode)
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


def _not_regular(path: Path) -> OSError:
    return OSError(errno.EINVAL, "it is not a regular file", os.fspath(path))
