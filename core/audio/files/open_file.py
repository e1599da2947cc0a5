"""Opening a file that somebody else has made, whatever it turns out to be."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from core.audio.errors import AudioError


@contextmanager
def open_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """The regular file at ``path``, unbuffered and positioned at its beginning.

    It is opened without waiting and examined afterwards, so that a named pipe or a device that bears an audio file's
    name neither blocks nor slips in between a check and the opening.

    Raises:
        AudioError: it is missing, empty, a folder, a pipe, or not permitted.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            _require_content(path, os.fstat(descriptor))
            with open(descriptor, "rb", buffering=0, closefd=False) as file:
                yield file
        finally:
            os.close(descriptor)
    except OSError as error:
        raise AudioError(path, _reason(error)) from error


def _require_content(path: str | os.PathLike[str], status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise AudioError(path, "is a folder, not an audio file")
    if not stat.S_ISREG(status.st_mode):
        raise AudioError(path, "is not a regular file")
    if status.st_size == 0:
        raise AudioError(path, "is empty (0 bytes)")


def _reason(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, PermissionError):
        return "no permission to read it"
    return f"cannot be read ({(error.strerror or str(error)).lower()})"


def size_of(file: BinaryIO) -> int:
    """Bytes in an open file."""
    return os.fstat(file.fileno()).st_size


def peek(file: BinaryIO, count: int, offset: int = 0) -> bytes:
    """Up to ``count`` bytes at ``offset``; the file's position stays where it is."""
    return os.pread(file.fileno(), count, offset)
