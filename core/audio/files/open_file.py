"""Opening untrusted audio files, views of a part of a file, and the error for a file that cannot be used."""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO

from core.util.archive.path import open_in_archive
from core.util.errors import ArchiveError, UserError, reason
from core.util.files import SeekableReader
from core.util.text import printable


class AudioError(UserError):
    """A file that cannot be used as audio. ``reason`` says why without naming the file."""

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        super().__init__(f"{printable(path)}: {reason}")
        self.reason = reason


FARTHEST = 1 << 62
"""Damaged headers may hold offsets beyond what the system supports."""


@contextmanager
def open_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open the regular file at ``path`` unbuffered, or a copy of it if it is in an archive.

    It is opened without blocking and checked afterwards, so that a named pipe or device does not block, and cannot
    be put in place between a check and the opening.

    Raises:
        AudioError: the file is missing, empty, not a regular file, not readable, or damaged in its archive.
    """
    try:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except NotADirectoryError:
            copy = open_in_archive(path)
            if copy is None:
                raise
            with copy:
                _require_content(path, os.fstat(copy.fileno()))
                yield copy
            return
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
    if isinstance(error, ArchiveError):
        return error.reason
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, PermissionError):
        return "no permission to read it"
    return f"cannot be read ({reason(error).lower()})"


def size_of(file: BinaryIO) -> int:
    """Size in bytes of an open file."""
    return os.fstat(file.fileno()).st_size


def peek(file: BinaryIO, count: int, offset: int = 0) -> bytes:
    """Up to ``count`` bytes at ``offset``; the file's position does not move."""
    return os.pread(file.fileno(), count, offset) if offset < FARTHEST else b""


class FileView(SeekableReader):
    """Bytes ``begin`` to ``end`` of an open file as a file, with some bytes replaced and zeros inserted.

    Reading does not move the position of the open file.
    """

    def __init__(
        self,
        file: BinaryIO,
        begin: int = 0,
        end: int | None = None,
        patches: Sequence[tuple[int, bytes]] = (),
        gaps: Sequence[tuple[int, int]] = (),
    ) -> None:
        """Args:
        patches: (offset in the file, bytes to read there instead).
        gaps: (offset in the file, zeros to insert there), in ascending order.
        """
        self._file, self._begin, self._patches, self._gaps = file, begin, patches, gaps
        self._size = (size_of(file) if end is None else end) - begin + sum(count for _, count in gaps)

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        target = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        if not 0 <= target < 1 << 63:
            raise OSError("seek outside the file")
        self._at = target
        return target

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer).cast("B")
        count = min(len(view), max(0, self._size - self._at))
        position = self._begin + self._at
        for offset, zeros in self._gaps:
            if position < offset:
                count = min(count, offset - position)
                break
            if position < offset + zeros:
                count = min(count, offset + zeros - position)
                view[:count] = bytes(count)
                self._at += count
                return count
            position -= zeros
        read = os.preadv(self._file.fileno(), [view[:count]], position)
        for offset, patch in self._patches:
            for at, byte in enumerate(patch, start=offset - position):
                if 0 <= at < read:
                    view[at] = byte
        self._at += read
        return read
