"""Spectrograms that stay on disk and are read when they are asked for."""

import os
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from core.util.parallel import cores, ordered_map


class DiskArray:
    """N spectrograms of (M, T) bytes each, in a file of equal rows; any selection of them in any order.

    They are read with ``preadv`` and not through a mapping: pages of a mapping count as the process' own memory, and a
    collection larger than memory would push everything else out. The system's page cache keeps what fits either way.
    """

    def __init__(
        self,
        path: Path,
        shape: tuple[int, int],
        rows: Sequence[int],
        *,
        offset: int = 0,
        checksums: Sequence[int] | None = None,
    ) -> None:
        """
        Args:
            rows: the places in the file of rows 0..N-1; the first of the file begins at byte ``offset``.
            checksums: CRC-32 of rows 0..N-1, for `damaged`.
        """
        self._path, self._file = path, path.open("rb", buffering=0)
        self._rows = np.asarray(rows, dtype=np.int64)
        self._offset = offset
        self._checksums = checksums
        self.shape: tuple[int, int, int] = (len(self._rows), *shape)

    def some(self, rows: Sequence[int]) -> "DiskArray":
        """Some of the rows as an array of their own."""
        checksums = None if self._checksums is None else [self._checksums[row] for row in rows]
        places = self._rows[np.asarray(rows, dtype=np.int64)].tolist()
        return DiskArray(self._path, self.shape[1:], places, offset=self._offset, checksums=checksums)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def row_bytes(self) -> int:
        return self.shape[1] * self.shape[2]

    @property
    def nbytes(self) -> int:
        return len(self) * self.row_bytes

    def __getitem__(self, indices: Sequence[int] | Tensor | slice) -> Tensor:
        """(B, M, T) uint8 in ordinary memory."""
        places = self._places(indices)
        rows = np.empty((len(places), *self.shape[1:]), dtype=np.uint8)
        for row, place in zip(rows, places, strict=True):
            _read(self._file.fileno(), row.data.cast("B"), int(place))
        return torch.from_numpy(rows)

    def damaged(self) -> list[int]:
        """Reads every row and returns those that are cut off or whose checksum is another; none without checksums."""
        if self._checksums is None:
            return []
        places = self._places(slice(None))
        checked = ordered_map(self._checksum, places.tolist(), cores())
        pairs = zip(checked, self._checksums, strict=True)
        return [row for row, (found, expected) in enumerate(pairs) if found != expected]

    def _checksum(self, place: int) -> int | None:
        """Of the row at byte ``place``; None where the file ends before."""
        data = os.pread(self._file.fileno(), self.row_bytes, place)
        return zlib.crc32(data) if len(data) == self.row_bytes else None

    def will_need(self, indices: Sequence[int] | Tensor | slice) -> None:
        """Has the system read these rows ahead, so that reading them soon does not wait for the disk."""
        if hasattr(os, "posix_fadvise"):
            for place in self._places(indices):
                os.posix_fadvise(self._file.fileno(), int(place), self.row_bytes, os.POSIX_FADV_WILLNEED)

    def _places(self, indices: Sequence[int] | Tensor | slice) -> npt.NDArray[np.int64]:
        chosen = indices.cpu().numpy() if isinstance(indices, Tensor) else indices
        places: npt.NDArray[np.int64] = self._rows[chosen] * self.row_bytes + self._offset
        return places


def _read(descriptor: int, buffer: memoryview, place: int) -> None:
    while len(buffer):
        count = os.preadv(descriptor, [buffer], place)
        if count == 0:
            raise OSError(f"the feature store ends before byte {place}")
        buffer, place = buffer[count:], place + count
