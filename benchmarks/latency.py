"""The answer to one window of 3 s: the classifier, and the plain loop over librosa and torch."""

from collections.abc import Iterator

import numpy as np
import torch

from benchmarks.bench import RATE, Bench
from benchmarks.clock import side_by_side
from benchmarks.table import Figure
from core.inference.classifier import Classifier
from core.training.checkpoint import load_model


def measure(bench: Bench) -> Iterator[Figure]:
    import librosa  # the extra "bench" brings it

    classifier = Classifier.load(bench.model)
    network = load_model(bench.model, torch.device(classifier.device))
    settings = network.front_end
    y = np.random.default_rng(0).normal(0, 0.1, 3 * RATE).astype(np.float32)

    def plain() -> torch.Tensor:
        mel = librosa.feature.melspectrogram(
            y=y, sr=RATE, n_fft=settings.n_fft, hop_length=settings.hop_length, n_mels=settings.n_mels
        )
        mel = librosa.power_to_db(mel, ref=np.max, top_db=settings.top_db)
        with torch.no_grad():
            logits: torch.Tensor = network.model(torch.from_numpy(mel)[None].float().to(classifier.device))
        return logits.softmax(1).cpu()

    times = 20 if bench.quick else 100
    ours, theirs = side_by_side(times, lambda: classifier.classify_array(y, RATE), plain)
    what = f"one window of 3 s, sound to prediction, {network.recipe.model} on {classifier.device}"
    yield Figure(what, ours * 1000, "ms", theirs * 1000, "librosa and torch", "< 500 ms")
