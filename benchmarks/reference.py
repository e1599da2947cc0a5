"""The reference way to train, which the benchmarks compare with: as the notebooks do it, and correctly.

Every file is read, decoded to float32 and transformed in every epoch, on the main thread, in batches of 16; the network
runs in float32; the loss of every batch is read back. The windows are those of our own recipe.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from core.features.settings import FrontEndSettings
from core.features.torchaudio_import import torchaudio


class AudioFiles(Dataset[tuple[Tensor, int]]):
    def __init__(self, files: Sequence[Path], settings: FrontEndSettings, crop_frames: int) -> None:
        self.files = files
        self.genres = sorted({file.parent.name for file in files})
        self.samples = settings.samples
        self.crop_frames = crop_frames
        self.mel = torchaudio.transforms.MelSpectrogram(
            settings.sample_rate, n_fft=settings.n_fft, hop_length=settings.hop_length, n_mels=settings.n_mels
        )
        self.decibels = torchaudio.transforms.AmplitudeToDB(top_db=settings.top_db)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        y, _ = soundfile.read(self.files[index], dtype="float32", always_2d=True)
        y = np.pad(y.mean(axis=1)[: self.samples], (0, max(0, self.samples - len(y))))
        y /= max(1e-9, float(np.abs(y).max()))
        mel_MT: Tensor = self.decibels(self.mel(torch.from_numpy(y)))
        start = int(torch.randint(mel_MT.shape[1] - self.crop_frames + 1, ()))
        return mel_MT[:, start : start + self.crop_frames], self.genres.index(self.files[index].parent.name)


def train_epoch(model: nn.Module, optimiser: torch.optim.Optimizer, dataset: AudioFiles, device: torch.device) -> float:
    """One epoch; the mean loss."""
    model.train()
    total = 0.0
    for mel_BMT, labels_B in DataLoader(dataset, batch_size=16, shuffle=True):
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(model(mel_BMT.to(device)), labels_B.to(device))
        loss.backward()
        optimiser.step()
        total += loss.item() * len(labels_B)
    return total / len(dataset)
