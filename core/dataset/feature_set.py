"""The spectrograms of a dataset with their labels, in memory, on a device, or on disk.

Shapes: N clips with R excerpts in all, B of these in a batch, M mel bands, T frames.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import psutil
import torch
from torch import Tensor

from core.dataset.clip import Clip
from core.dataset.store.disk_array import DiskArray
from core.features.log_mel import dequantise
from core.features.settings import FrontEndSettings

ROWS_A_COPY = 256


class ExcerptRows:
    """Which rows of a feature set are excerpts of which clip."""

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
        """Excerpts of the clip that has the most."""
        return int(self.count_N.max()) if len(self.count_N) else 0


@dataclass(frozen=True)
class FeatureSet:
    mel: Tensor | DiskArray
    """(R, M, T) uint8: 0 is the floor, 255 each clip's maximum; ``as_decibels`` translates. A Tensor lives on
    ``device``; a DiskArray stays on disk, takes lists and tensors of indices, and gives tensors in CPU memory."""
    frames: Tensor
    """(R,) int64: frames that hold audio; those behind are padding at the floor."""
    labels: Tensor
    """(N,) int64: places in ``genres``."""
    genres: list[str]
    clips: list[Clip]
    settings: FrontEndSettings
    counts: Tensor | None = None
    """(N,) int64 on the CPU: how many excerpts each clip has, which are rows of ``mel`` one after the other; None where
    every clip has one."""
    embeddings: Tensor | None = None
    """(R, W, D) float32 on ``device``: those of an encoder, of windows evenly spaced over each excerpt."""
    windows: Tensor | None = None
    """(R,) int64: windows that each excerpt has; those behind are zeros."""

    def __len__(self) -> int:
        return len(self.clips)

    @property
    def device(self) -> torch.device:
        """Where ``frames`` and ``labels`` are, and ``mel`` too unless it is on disk."""
        return self.labels.device

    @property
    def on_disk(self) -> bool:
        return isinstance(self.mel, DiskArray)

    def to(self, device: torch.device | str, *, limit: int | None = None) -> "FeatureSet":
        """The same set in the memory of ``device``, or still on disk where it takes more than ``limit`` bytes.

        The limit is half of what is free there, unless it is given. ``frames`` and ``labels`` move in any case.
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
        """(M, valid frames) uint8 in CPU memory: an excerpt of a clip, without its padding."""
        row = int(self.excerpts.first_N[clip]) + excerpt
        return self.batch([row])[0].cpu()[:, : int(self.frames[row])]

    def batch(self, indices: Tensor | Sequence[int]) -> Tensor:
        """(B, M, T) uint8 on ``device``; ``indices`` are of rows."""
        if isinstance(self.mel, DiskArray):
            return self.mel[indices].to(self.device)
        return self.mel[torch.as_tensor(indices, device=self.device)]

    def will_need(self, indices: Tensor | Sequence[int]) -> None:
        """Announces the batch after the next, so that one on disk is read ahead."""
        if isinstance(self.mel, DiskArray):
            self.mel.will_need(indices)

    def as_decibels(self, codes: Tensor) -> Tensor:
        """uint8 of any shape → float32 in [-top_db, 0], on the same device."""
        return dequantise(codes, self.settings.top_db)


def free_memory(device: torch.device) -> int:
    """Bytes that can still be allocated on a device (of the machine, where the device shares its memory)."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return int(psutil.virtual_memory().available)


def _load(rows: DiskArray, device: torch.device) -> Tensor:
    """All rows, (N, M, T), read and copied in blocks, so that no second copy of the whole stands in memory."""
    mel = torch.empty(rows.shape, dtype=torch.uint8, device=device)
    for begin in range(0, len(rows), ROWS_A_COPY):
        mel[begin : begin + ROWS_A_COPY] = rows[slice(begin, begin + ROWS_A_COPY)].to(device)
    return mel
