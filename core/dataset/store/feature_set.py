"""The spectrograms of a dataset with their labels: in memory, on a device, or on disk, read when they are wanted.

Shapes: N clips, R excerpts of all clips, B excerpts in a batch, M mel bands, T frames."""

import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import psutil
import torch
from torch import Tensor

from core.dataset.clip import Clip
from core.features.log_mel import dequantise
from core.features.settings import FrontEndSettings
from core.util.parallel import cores, ordered_map


class DiskArray:
    """N spectrograms of (M, T) bytes each: any selection, in any order, of the rows of a file.

    They are read with ``preadv`` and not memory-mapped: mapped pages count as memory of the process, and a collection
    larger than memory would evict everything else. The system's page cache is used either way.
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
            rows: the positions in the file of rows 0..N-1; the file's first row begins at byte ``offset``.
            checksums: CRC-32 of rows 0..N-1, for `damaged`.
        """
        self._path, self._file = path, path.open("rb", buffering=0)
        self._rows = np.asarray(rows, dtype=np.int64)
        self._offset = offset
        self._checksums = checksums
        self.shape: tuple[int, int, int] = (len(self._rows), *shape)

    def some(self, rows: Sequence[int]) -> "DiskArray":
        """A selection of rows as an array."""
        checksums = None if self._checksums is None else [self._checksums[row] for row in rows]
        positions = self._rows[np.asarray(rows, dtype=np.int64)].tolist()
        return DiskArray(self._path, self.shape[1:], positions, offset=self._offset, checksums=checksums)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def row_bytes(self) -> int:
        return self.shape[1] * self.shape[2]

    @property
    def nbytes(self) -> int:
        return len(self) * self.row_bytes

    def __getitem__(self, indices: Sequence[int] | Tensor | slice) -> Tensor:
        """Read rows, (B, M, T) uint8 in CPU memory."""
        positions = self._positions(indices)
        rows = np.empty((len(positions), *self.shape[1:]), dtype=np.uint8)
        for row, position in zip(rows, positions, strict=True):
            _read(self._file.fileno(), row.data.cast("B"), int(position))
        return torch.from_numpy(rows)

    def damaged(self) -> list[int]:
        """Read every row; returns those that are truncated or fail their checksum, none if there are no checksums."""
        if self._checksums is None:
            return []
        positions = self._positions(slice(None))
        checked = ordered_map(self._checksum, positions.tolist(), cores())
        pairs = zip(checked, self._checksums, strict=True)
        return [row for row, (found, expected) in enumerate(pairs) if found != expected]

    def _checksum(self, position: int) -> int | None:
        """The checksum of the row at byte ``position``; None if the file ends before its end."""
        data = os.pread(self._file.fileno(), self.row_bytes, position)
        return zlib.crc32(data) if len(data) == self.row_bytes else None

    def will_need(self, indices: Sequence[int] | Tensor | slice) -> None:
        """Tell the system to read these rows ahead."""
        if hasattr(os, "posix_fadvise"):
            for position in self._positions(indices):
                os.posix_fadvise(self._file.fileno(), int(position), self.row_bytes, os.POSIX_FADV_WILLNEED)

    def _positions(self, indices: Sequence[int] | Tensor | slice) -> npt.NDArray[np.int64]:
        chosen = indices.cpu().numpy() if isinstance(indices, Tensor) else indices
        positions: npt.NDArray[np.int64] = self._rows[chosen] * self.row_bytes + self._offset
        return positions


def _read(descriptor: int, buffer: memoryview, position: int) -> None:
    while len(buffer):
        count = os.preadv(descriptor, [buffer], position)
        if count == 0:
            raise OSError(f"the feature store ends before byte {position}")
        buffer, position = buffer[count:], position + count


ROWS_A_COPY = 256


class ExcerptRows:
    """Maps clips to the rows of their excerpts in a feature set."""

    def __init__(self, counts_N: Tensor) -> None:
        self.count_N = counts_N
        self.first_N = counts_N.cumsum(0) - counts_N
        """The row of each clip's first excerpt."""

    @property
    def clip_R(self) -> Tensor:
        """The clip of each row."""
        return torch.arange(len(self.count_N)).repeat_interleave(self.count_N)

    @property
    def most(self) -> int:
        """The most excerpts of a clip."""
        return int(self.count_N.max()) if len(self.count_N) else 0


@dataclass(frozen=True)
class FeatureSet:
    mel: Tensor | DiskArray
    """(R, M, T) uint8: 0 is the floor, 255 each clip's maximum; see `as_decibels`. A Tensor is on ``device``. A
    DiskArray stays on disk, is indexed by lists and tensors, and returns tensors in CPU memory."""
    frames: Tensor
    """(R,) int64: frames with audio; the rest is padding at the floor."""
    labels: Tensor
    """(N,) int64: indices into ``genres``."""
    genres: list[str]
    clips: list[Clip]
    settings: FrontEndSettings
    counts: Tensor | None = None
    """(N,) int64 on the CPU: the number of excerpts of each clip, which are consecutive rows of ``mel``; None if every
    clip has one."""
    embeddings: Tensor | None = None
    """(R, W, D) float32 on ``device``: an encoder's embeddings of windows evenly spaced over each excerpt."""
    windows: Tensor | None = None
    """(R,) int64: windows of each excerpt; the rest are zeros."""

    def __len__(self) -> int:
        return len(self.clips)

    @property
    def device(self) -> torch.device:
        """The device of ``frames`` and ``labels``, and of ``mel`` unless it is on disk."""
        return self.labels.device

    def to(self, device: torch.device | str, *, limit: int | None = None) -> "FeatureSet":
        """The same set in the memory of ``device``, or still on disk if it takes more than ``limit`` bytes.

        By default the limit is half of the free memory. ``frames`` and ``labels`` are always moved.
        """
        device = torch.device(device)
        if isinstance(self.mel, Tensor):
            mel: Tensor | DiskArray = self.mel.to(device)
        elif self.mel.nbytes > (free_memory(device) // 2 if limit is None else limit):
            mel = self.mel
        else:
            mel = _load(self.mel, device)
        moved = {
            name: value.to(device)
            for name in ("frames", "labels", "embeddings", "windows")
            if (value := getattr(self, name)) is not None
        }
        return replace(self, mel=mel, **moved)

    @cached_property
    def excerpts(self) -> ExcerptRows:
        return ExcerptRows(torch.ones(len(self), dtype=torch.int64) if self.counts is None else self.counts)

    def spectrogram(self, clip: int, excerpt: int = 0) -> Tensor:
        """An excerpt of a clip without padding, (M, valid frames) uint8 in CPU memory."""
        row = int(self.excerpts.first_N[clip]) + excerpt
        return self.batch([row])[0].cpu()[:, : int(self.frames[row])]

    def batch(self, indices: Tensor | Sequence[int]) -> Tensor:
        """The rows at ``indices``, (B, M, T) uint8 on ``device``."""
        if isinstance(self.mel, DiskArray):
            return self.mel[indices].to(self.device)
        return self.mel[torch.as_tensor(indices, device=self.device)]

    def will_need(self, indices: Tensor | Sequence[int]) -> None:
        """Announce a future batch, so that it is read ahead from disk."""
        if isinstance(self.mel, DiskArray):
            self.mel.will_need(indices)

    def as_decibels(self, codes: Tensor) -> Tensor:
        """uint8 of any shape → float32 in [-top_db, 0], on the same device."""
        return dequantise(codes, self.settings.top_db)


def free_memory(device: torch.device) -> int:
    """Bytes that can be allocated on a device, or on the machine if the device shares its memory."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return int(psutil.virtual_memory().available)


def _load(rows: DiskArray, device: torch.device) -> Tensor:
    """All rows, (N, M, T), read and copied in blocks, so that there is no second copy of all of them in memory."""
    mel = torch.empty(rows.shape, dtype=torch.uint8, device=device)
    for begin in range(0, len(rows), ROWS_A_COPY):
        mel[begin : begin + ROWS_A_COPY] = rows[slice(begin, begin + ROWS_A_COPY)].to(device)
    return mel
