"""Random access to a gzip file, by copies of the decompressor at checkpoints."""

import io
import os
import threading
import zlib
from bisect import bisect_right
from typing import Any, BinaryIO, NamedTuple

from core.util.errors import ArchiveError
from core.util.files import SeekableReader

CHUNK = 1 << 14
"""Compressed bytes that are read at a time; they expand to at most 16 MB."""
EVERY = 8 << 20
"""Bytes between two checkpoints, which take about 40 kB of memory each."""
LARGEST_READ = 16 << 20
MOST_IDLE = 4
"""Readers that are kept at their positions for the following files."""
MOST_EXPANSION, EXPANSION_FROM = 200, 1 << 30
"""Expansion that audio never reaches, and the size from which it is checked."""
GZIP = 31
"""zlib's window bits for gzip with header and checksum."""


class _Resume(NamedTuple):
    """A checkpoint: the decompressor after ``read`` compressed and ``at`` decompressed bytes."""

    at: int
    read: int
    decompressor: Any


class Checkpoints:
    """The checkpoints of a file; shared between threads."""

    def __init__(self) -> None:
        self._points = [_Resume(0, 0, zlib.decompressobj(GZIP))]
        self._idle: list[GzipReader] = []
        self._lock = threading.Lock()

    def reader(self, file: BinaryIO, at: int) -> "GzipReader":
        """A reader for position ``at``, if possible one that was given back shortly before it."""
        with self._lock:
            near = [reader for reader in self._idle if reader.begin <= at]
            best = max(near, key=lambda reader: reader.begin, default=None)
            if best is not None:
                self._idle.remove(best)
        if best is None or best.begin < self.before(at).at:
            return GzipReader(file, self)
        best.continue_in(file)
        return best

    def give_back(self, reader: "GzipReader") -> None:
        """Keep a reader for the following file."""
        with self._lock:
            self._idle = [*self._idle, reader][-MOST_IDLE:]

    def before(self, at: int) -> _Resume:
        with self._lock:
            return self._points[bisect_right(self._points, at, key=lambda point: point.at) - 1]

    def add(self, at: int, read: int, decompressor: Any) -> None:
        with self._lock:
            if at - self._points[-1].at >= EVERY:
                self._points.append(_Resume(at, read, decompressor.copy()))


class GzipReader(SeekableReader):
    """The decompressed bytes of a file of one or more gzip members."""

    def __init__(self, file: BinaryIO, checkpoints: Checkpoints) -> None:
        self._file, self._checkpoints = file, checkpoints
        self._resume(checkpoints.before(0))
        self.is_cut_off = False
        """Whether the compressed data ended too early."""

    @property
    def begin(self) -> int:
        """The first byte that can be read without going back."""
        return self._end - len(self._held)

    def continue_in(self, file: BinaryIO) -> None:
        """Continue reading in the same file, which was opened again."""
        self._file = file

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        if whence == os.SEEK_END:
            raise io.UnsupportedOperation("the size is not known")
        self._at = max(0, offset + (self._at if whence == os.SEEK_CUR else 0))
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        """Fill the buffer except at the end, because tarfile treats a short header as damaged.

        Raises:
            ArchiveError: the data are damaged, or expand more than audio does.
        """
        view, done = memoryview(buffer).cast("B")[:LARGEST_READ], 0
        while done < len(view) and (count := self._read_held(view[done:])):
            done += count
        return done

    def _read_held(self, view: memoryview) -> int:
        """Read from one chunk of the file."""
        near = self._checkpoints.before(self._at)
        if self._at < self.begin or near.at > self._end:
            self._resume(near)
        while self._at >= self._end:
            if not self._fill():
                return 0
        skipped = self._at - self.begin
        part = self._held[skipped : skipped + len(view)]
        view[: len(part)] = part
        self._at += len(part)
        return len(part)

    def _resume(self, point: _Resume) -> None:
        self._end, self._read, self._decompressor = point.at, point.read, point.decompressor.copy()
        self._held = b""

    def _fill(self) -> bool:
        """Decompress the next chunk; returns False at the end."""
        self._checkpoints.add(self._end, self._read, self._decompressor)
        chunk = os.pread(self._file.fileno(), CHUNK, self._read)
        if not chunk:
            self.is_cut_off = not self._decompressor.eof
            return False
        self._read += len(chunk)
        try:
            held = self._decompressor.decompress(chunk)
            while self._decompressor.eof and (rest := self._decompressor.unused_data.lstrip(b"\0")):
                self._decompressor = zlib.decompressobj(GZIP)
                held += self._decompressor.decompress(rest)
        except zlib.error as error:
            raise ArchiveError(f"is damaged ({error})") from error
        self._held, self._end = held, self._end + len(held)
        if self._end > EXPANSION_FROM and self._end > MOST_EXPANSION * self._read:
            raise ArchiveError(f"expands to more than {MOST_EXPANSION} times its size, which music does not")
        return True
