"""The feature store: every spectrogram is computed once and shared by all runs and processes.

One folder for each front end holds two append-only files. ``rows.bin`` has a row of M × T bytes for each spectrogram
(``core.features.log_mel`` says why bytes); ``index.bin`` has a record for each row in the same order. A row is found
by the hash of its audio file, so that a renamed file is known and a changed one is not. Writers take turns under a
lock and sync rows before they append records; a process killed in between leaves a row without a record, which the
next writer overwrites. Every row has a checksum: ``drop_damaged`` drops rows that do not match theirs, and the next
spectrogram of the same content is appended instead.
"""

import fcntl
import hashlib
import os
import struct
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec
import numpy as np
import numpy.typing as npt
from torch import Tensor

from core.dataset.store.feature_set import DiskArray
from core.util.errors import UserError, reason
from core.util.paths import cache_folder

VERSION = 2
RECORD = struct.Struct("<16sIII")
"""Content hash, valid frames, CRC-32 of the row, and CRC-32 of these three: a power failure can leave zeros at the end
of a file."""
BYTES_A_WRITE = 8 << 20
"""Bytes per write: larger writes need fewer syncs."""


class Stored(Protocol):
    """A struct that describes the rows of a store and identifies it, such as `FrontEndSettings` for spectrograms."""

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of a row in bytes: M, T."""


class Row(NamedTuple):
    """Position and checksum of a spectrogram."""

    position: int
    frames: int
    checksum: int


class FeatureStore:
    """Spectrograms of one front end by content hash (32 hexadecimal digits). Several processes may use it at once."""

    def __init__(self, settings: Stored, folder: Path | None = None) -> None:
        """Open or create a store. ``folder`` holds those of all front ends; by default it is in the cache folder.

        Raises:
            UserError: it cannot be written.
        """
        self.shape = settings.shape
        described = msgspec.json.encode(settings)
        key = hashlib.blake2b(b"%d %s" % (VERSION, described), digest_size=8).hexdigest()
        self.folder = (folder or cache_folder() / "features") / key
        self._rows: dict[bytes, Row] = {}
        self._read = 0
        self._verified: set[str] = set()
        self._waiting: list[tuple[bytes, npt.NDArray[np.uint8]]] = []
        with self._writing():
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / "settings.json").write_bytes(described)
            for name in ("rows.bin", "index.bin"):
                (self.folder / name).touch()
        self.refresh()

    def __contains__(self, content: str) -> bool:
        return bytes.fromhex(content) in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def refresh(self) -> None:
        """Read the records that other processes have added."""
        with (self.folder / "index.bin").open("rb") as file:
            file.seek(self._read * RECORD.size)
            records = file.read()
        for at in range(0, len(records) - RECORD.size + 1, RECORD.size):
            content, frames, row_checksum, checksum = RECORD.unpack_from(records, at)
            if checksum == zlib.crc32(records[at : at + RECORD.size - 4]):
                self._rows[content] = Row(self._read, frames, row_checksum)
            self._read += 1

    def put(self, content: str, quantised_MT: Tensor) -> None:
        """Add a spectrogram, (M, valid frames) uint8. It is on disk at the latest after the next `flush`."""
        self._waiting.append((bytes.fromhex(content), quantised_MT.numpy()))
        if len(self._waiting) * self.shape[0] * self.shape[1] >= BYTES_A_WRITE:
            self.flush()

    def flush(self) -> None:
        """Write all pending spectrograms.

        Raises:
            UserError: the disk is full, or the folder has become unwritable.
        """
        if not self._waiting:
            return
        with self._writing(), _locked(self.folder / "lock"):
            self.refresh()
            new = {content: codes for content, codes in self._waiting if content not in self._rows}
            rows = np.zeros((len(new), *self.shape), dtype=np.uint8)
            records = b""
            for row, (content, codes) in zip(rows, new.items(), strict=True):
                row[:, : codes.shape[1]] = codes
                record = RECORD.pack(content, codes.shape[1], zlib.crc32(row.data), 0)[:-4]
                records += record + struct.pack("<I", zlib.crc32(record))
            _write(self.folder / "rows.bin", rows.ravel().data, self._read * self.shape[0] * self.shape[1])
            _write(self.folder / "index.bin", records, self._read * RECORD.size)
            self.refresh()
        self._waiting.clear()

    def rows(self, contents: Sequence[str]) -> tuple[DiskArray, list[int]]:
        """The spectrograms for these content hashes, and their valid frames.

        Raises:
            KeyError: one of them is not in the store.
        """
        rows = [self._rows[bytes.fromhex(content)] for content in contents]
        positions, frames, checksums = ([row[k] for row in rows] for k in range(3))
        return DiskArray(self.folder / "rows.bin", self.shape, positions, checksums=checksums), frames

    def drop_damaged(self, contents: Sequence[str]) -> list[str]:
        """Read the rows for these content hashes and drop damaged ones; returns the hashes of those.

        Rows that this object has verified already are not read again.
        """
        unverified = [content for content in dict.fromkeys(contents) if content not in self._verified]
        damaged = [unverified[row] for row in self.rows(unverified)[0].damaged()]
        for content in damaged:
            del self._rows[bytes.fromhex(content)]
        self._verified.update(set(unverified) - set(damaged))
        return damaged

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UserError(
                f"The feature store at {self.folder} cannot be written ({reason(error).lower()}): "
                "make room there, or set GENRE_TUI_CACHE to another folder."
            ) from error


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock, which the system releases if the process dies."""
    with path.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _write(path: Path, data: bytes | memoryview, position: int) -> None:
    """Write at ``position`` and sync. What a killed writer left after it is truncated first."""
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.truncate(descriptor, position)
        left = memoryview(data)
        while left:
            count = os.pwrite(descriptor, left, position)
            left, position = left[count:], position + count
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


MOST_WAITING = 256
"""Most spectrograms that wait to be written."""


@contextmanager
def async_writer(store: FeatureStore) -> Iterator[Callable[[str, Tensor], None]]:
    """Yield a function that adds spectrograms to ``store`` from a background thread.

    All of them are on disk when the context ends, even after an exception.

    Raises:
        UserError: the store cannot be written.
    """
    pool = ThreadPoolExecutor(1, "store")
    waiting: deque[Future[None]] = deque()

    def put(content: str, quantised_MT: Tensor) -> None:
        waiting.append(pool.submit(store.put, content, quantised_MT))
        while waiting and (waiting[0].done() or len(waiting) > MOST_WAITING):
            waiting.popleft().result()

    try:
        yield put
    finally:
        waiting.append(pool.submit(store.flush))
        pool.shutdown()
    for future in waiting:
        future.result()
