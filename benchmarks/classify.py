"""Whole files to predictions, 30 s each: ``classify``'s own path, and the plain loop over librosa and torch.

The plain loop reads a file, transforms it, cuts the spectrogram into windows of 3 s, asks the network, takes the mean:
one file after the other on the main thread. It gives no segments' predictions, no levels and no "uncertain".
"""

import statistics
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from benchmarks.bench import Bench
from benchmarks.clock import seconds
from benchmarks.table import Figure
from core.inference.batch.classify_files import classify_files
from core.inference.classifier import Classifier
from core.models.ood.thresholds import WINDOW_SECONDS
from core.training.checkpoint import TrainedModel, load_model
from core.util.parallel import cores


def measure(bench: Bench) -> Iterator[Figure]:
    files = bench.files(100)[: 20 if bench.quick else 100]
    classifier = Classifier.load(bench.model)
    network = load_model(bench.model, torch.device(classifier.device))

    def ours() -> None:
        list(classify_files(classifier, files, jobs=cores()))

    threads, taken = torch.get_num_threads(), []
    _plain(network, files[:2])
    for _ in range(1 if bench.quick else 3):
        torch.set_num_threads(threads)  # classify_files has its own
        theirs = seconds(lambda: _plain(network, files))
        taken.append((seconds(ours), theirs))
    own, theirs = (statistics.median(column) / len(files) * 1000 for column in zip(*taken, strict=True))
    what = f"classify a 30 s .au among many, {network.recipe.model} on {classifier.device}"
    yield Figure(what, own, "ms", theirs, "librosa and torch, a file at a time", "< 40 ms (25 files/s)")


@torch.no_grad()
def _plain(network: TrainedModel, files: list[Path]) -> None:
    import librosa  # the extra "bench" brings it

    settings = network.front_end
    for file in files:
        y, rate = librosa.load(file, sr=settings.sample_rate)
        mel = librosa.feature.melspectrogram(
            y=y, sr=rate, n_fft=settings.n_fft, hop_length=settings.hop_length, n_mels=settings.n_mels
        )
        mel_MT = torch.from_numpy(librosa.power_to_db(mel, ref=np.max, top_db=settings.top_db)).float()
        frames = settings.frames_in(WINDOW_SECONDS)
        mel_BMT = torch.stack([part for part in torch.split(mel_MT, frames, dim=1) if part.shape[1] == frames])
        network.model(mel_BMT.to(next(network.model.parameters()).device)).softmax(1).mean(0).cpu()
