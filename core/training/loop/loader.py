"""The windows of an epoch, chosen from the seed alone and on the CPU, and batches of them on the device.

Windows and their order are thus the same on every device and after resuming in the middle of an epoch, without saved
state. Suffixes: B batch, M mel bands, T frames, K windows, N clips.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from core.dataset.store.feature_set import ExcerptRows, FeatureSet
from core.models.encoders.encoder import join
from core.training.distributed import SINGLE, ProcessGroup


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows: ``row[i]`` is an excerpt of the feature set, ``start[i]`` the first frame. Both are int64 [K]."""

    row: Tensor
    start: Tensor

    def __len__(self) -> int:
        return len(self.row)

    def part(self, first: int, last: int) -> "Windows":
        return Windows(self.row[first:last], self.start[first:last])

    def to(self, device: torch.device) -> "Windows":
        """The same windows on ``device``; asynchronous on a GPU."""
        if device.type == "cuda" and self.row.device.type == "cpu":
            return Windows(
                self.row.pin_memory().to(device, non_blocking=True),
                self.start.pin_memory().to(device, non_blocking=True),
            )
        return Windows(self.row.to(device), self.start.to(device))


def random_windows(
    clips: Tensor,
    excerpts: ExcerptRows,
    frames: Tensor,
    width: int,
    per_clip: int,
    seed: int,
    epoch: int,
    weights: Tensor | None = None,
) -> Windows:
    """``per_clip`` random windows of every clip, shuffled; with ``weights``, the same number of clips drawn by weight.

    Each window is from a random excerpt of its clip.

    Args:
        clips: [N] indices into the feature set.
        frames: valid frames of every excerpt in the feature set; windows stay inside them if they fit.
        width: frames of a window.
        weights: [N] relative frequency of each clip.
    """
    generator = torch.Generator().manual_seed(_epoch_seed(seed, epoch))
    count = per_clip * len(clips)
    if weights is None:
        clip_K = clips.repeat(per_clip)[torch.randperm(count, generator=generator)]
    else:
        clip_K = clips[torch.multinomial(weights, count, replacement=True, generator=generator)]
    row_K = excerpts.first_N[clip_K]
    if excerpts.most > 1:
        row_K = row_K + (torch.rand(count, generator=generator, dtype=torch.float64) * excerpts.count_N[clip_K]).long()
    room_K = (frames[row_K] - width).clamp_min(0)
    # PyTorch cannot draw integers with individual bounds; fractions in float64 can reach every start of a long clip.
    start_K = (torch.rand(count, generator=generator, dtype=torch.float64) * (room_K + 1)).long()
    return Windows(row_K, start_K)


def spaced_windows(clips: Tensor, excerpts: ExcerptRows, frames: Tensor, width: int, per_clip: int) -> Windows:
    """``per_clip`` windows of every clip, clip by clip.

    They are distributed over its excerpts, and evenly spaced in each; a single one is centred.
    """
    count_N1 = excerpts.count_N[clips, None]
    window_K = torch.arange(per_clip)
    excerpt_NK = window_K * count_N1 // per_clip
    first_NK = -(-excerpt_NK * per_clip // count_N1)  # the first window of the excerpt, rounded up
    total_NK = -(-(excerpt_NK + 1) * per_clip // count_N1) - first_NK
    fraction_NK = _spacing(per_clip)[total_NK - 1, window_K - first_NK]
    row_NK = excerpts.first_N[clips, None] + excerpt_NK
    start_NK = ((frames[row_NK] - width).clamp_min(0) * fraction_NK).round().long()
    return Windows(row_NK.flatten(), start_NK.flatten())


def _spacing(most: int) -> Tensor:
    """Row n - 1 has the starts of n evenly spaced windows as fractions of the range; a single one is centred."""
    rows = torch.zeros(most, most, dtype=torch.float64)
    rows[0, 0] = 0.5
    for n in range(2, most + 1):
        rows[n - 1, :n] = torch.linspace(0, 1, n, dtype=torch.float64)
    return rows


def batch_bounds(windows: int, batch_size: int) -> list[tuple[int, int]]:
    """First and one past the last window of each batch: as few as possible, with sizes differing by at most one.

    Batch normalisation cannot use a last batch of a single window, which even sizes avoid; batches of two become
    larger by one if necessary.
    """
    batches = -(-windows // batch_size)
    if batch_size > 1 and windows // batches == 1:
        batches = max(1, batches - 1)
    return [(windows * i // batches, windows * (i + 1) // batches) for i in range(batches)]


def _epoch_seed(seed: int, epoch: int) -> int:
    """A seed from seed and epoch; sums of neighbouring seeds and epochs would coincide."""
    return (seed * 0x9E3779B97F4A7C15 + epoch * 0xD1B54A32D192ED03 + 1) % 2**63


class Batch(NamedTuple):
    mel_BMT: Tensor
    """Log-mel in dB, float32, on the device; joined with embeddings for an encoder."""
    labels_B: Tensor
    """Indices into the feature set's genres, int64, on the device."""


class BatchLoader:
    """Loads windows of one width from a feature set, on disk or in memory, to the device."""

    def __init__(self, features: FeatureSet, width: int, device: torch.device) -> None:
        self.features = features
        self.width = width
        self.device = device
        self.excerpts = features.excerpts
        self.frames = features.frames.cpu()
        """Valid frames of each excerpt."""
        self.labels = features.labels.cpu()
        """Of each clip."""
        self._row_labels = self.labels[self.excerpts.clip_R].to(device)
        self._row_frames = self.frames.to(device)
        self._gathers = isinstance(features.mel, Tensor) and features.mel.device.type != "cpu"

    def batches(
        self, windows: Windows, batch_size: int, first: int = 0, group: ProcessGroup = SINGLE
    ) -> Iterator[Batch]:
        """Yield windows in batches of about ``batch_size`` (see `batch_bounds`), starting with batch ``first``.

        This process gets its shard of every batch of the ``group``.
        """
        if self._gathers:
            windows = windows.to(self.device)  # once per epoch, so that batches need no synchronisation
        shards = []
        for begin, end in batch_bounds(len(windows), batch_size)[first:]:
            first_own, last_own = group.shard(end - begin)
            shards.append(windows.part(begin + first_own, begin + last_own))
        for number, shard in enumerate(shards, start=1):
            for following in shards[number : number + 1]:
                self.features.will_need(following.row)
            yield self.read(shard)

    def read(self, windows: Windows) -> Batch:
        """Load windows as one batch, in order."""
        if self._gathers:
            windows = windows.to(self.device)
            quantised_BMT = self._gather(windows)
        else:
            quantised_BMT = self._copy(windows).to(self.device, non_blocking=True)
            windows = windows.to(self.device)
        labels_B = self._row_labels[windows.row]
        mel_BMT = self.features.as_decibels(quantised_BMT)
        if self.features.embeddings is not None:
            mel_BMT = join(mel_BMT, self._embeddings(self.features.embeddings, windows))
        return Batch(mel_BMT, labels_B)

    def _embeddings(self, embeddings_RWD: Tensor, windows: Windows) -> Tensor:
        """The embedding nearest to each window, [B, D]."""
        assert self.features.windows is not None
        room_B = (self._row_frames[windows.row] - self.width).clamp_min(1)
        last_B = self.features.windows[windows.row] - 1
        place_B = (windows.start * last_B / room_B).round().long().minimum(last_B)
        return embeddings_RWD[windows.row, place_B]

    def _copy(self, windows: Windows) -> Tensor:
        """Quantised spectrograms of the windows from disk or main memory, in one tensor."""
        mel = self.features.mel
        whole_BMT = [mel[i] for i in windows.row.tolist()] if isinstance(mel, Tensor) else mel[windows.row]
        starts = windows.start.tolist()
        quantised_BMT = torch.stack(
            [quantised_MT[:, start : start + self.width] for quantised_MT, start in zip(whole_BMT, starts, strict=True)]
        )
        return quantised_BMT.pin_memory() if self.device.type == "cuda" else quantised_BMT

    def _gather(self, windows: Windows) -> Tensor:
        """Quantised spectrograms of the windows of a set on the device, in one asynchronous kernel."""
        assert isinstance(self.features.mel, Tensor)
        frame_BT = windows.start[:, None] + torch.arange(self.width, device=self.device)
        band_M = torch.arange(self.features.mel.shape[1], device=self.device)
        return self.features.mel[windows.row[:, None, None], band_M[:, None], frame_BT[:, None, :]]
