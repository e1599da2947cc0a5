"""Batches of windows from a feature set, on the device. Suffixes: B batch, M mel bands, T frames."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from core.dataset.store.feature_set import FeatureSet
from core.models.encoders.encoder import join
from core.training.distributed import SINGLE, ProcessGroup
from core.training.loop.sampler import Windows, batch_bounds


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
