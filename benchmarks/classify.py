"""Whole files to predictions, 30 s each: ``classify``'s own path, and the plain loop over librosa and torch.

The plain loop reads a file, transforms it, cuts the spectrogram into windows of 3 s, asks the network, takes the mean:
one file after the other on the main thread. It gives no segments' predictions, no levels and no "uncertain".
"""

import os
import statistics
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import soundfile
import torch

from benchmarks.bench import Bench
from benchmarks.clock import processor_seconds, seconds
from benchmarks.table import Figure
from core.audio.files.decode import stream
from core.inference.batch.classify_files import classify_files
from core.inference.classifier import Classifier
from core.models.ood.detector import WINDOW_SECONDS
from core.training.checkpoint import TrainedModel, load_model
from core.util.parallel import cores, ordered_map


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
    yield from _formats(bench, classifier, files[:20])
    yield _after_decoding(classifier, files[:20], 3 if bench.quick else 9)


def _formats(bench: Bench, classifier: Classifier, files: list[Path]) -> Iterator[Figure]:
    folder = bench.scratch / "formats"
    folder.mkdir(exist_ok=True)
    for suffix in (".mp3", ".flac", ".au"):
        made = [_as(file, folder / f"{number}{suffix}") for number, file in enumerate(files)]
        alone = seconds(lambda made=made: list(ordered_map(_decode, made, cores())))  # type: ignore[misc]
        own = seconds(lambda made=made: list(classify_files(classifier, made, jobs=cores())))  # type: ignore[misc]
        per_file = 1000 / len(made)
        yield Figure(f"classify a 30 s {suffix} among many", own * per_file, "ms", alone * per_file, "decoding alone")


def _as(file: Path, target: Path) -> Path:
    """The sound in the format that the suffix says."""
    y, rate = soundfile.read(file, dtype="int16")
    subtype = {".mp3": None, ".flac": "PCM_16", ".au": "PCM_16"}[target.suffix]
    soundfile.write(target, y, rate, subtype=subtype)
    return target


def _decode(file: Path) -> None:
    for _ in stream(file):
        pass


def _after_decoding(classifier: Classifier, files: list[Path], turns: int) -> Figure:
    """Medians of processor time per clip, the three works taking turns on one core."""
    torch.set_num_threads(1)
    affinity = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(affinity)})  # classify_files gives torch as many threads as there are cores per job
    y, _ = soundfile.read(files[0], dtype="float32")
    wave_N, hann_N = torch.from_numpy(y), torch.hann_window(2048)

    def stft() -> None:
        for _ in files:
            torch.stft(wave_N, 2048, 512, window=hann_N, return_complex=True).abs()

    def decode() -> None:
        for file in files:
            _decode(file)

    works = (stft, decode, lambda: list(classify_files(classifier, files, jobs=1)))
    taken = []
    for _ in range(turns + 1):  # the first does not count
        times = [processor_seconds()]
        for work in works:
            work()
            times.append(processor_seconds())
        plain, decoding, whole = (end - begin for begin, end in pairwise(times))
        taken.append((plain, whole - decoding))
    os.sched_setaffinity(0, affinity)
    plain, ours = (statistics.median(column) / len(files) * 1000 for column in zip(*taken[1:], strict=True))
    what = f"after decoding, a 30 s .au, {classifier.network.name}, processor time of one thread"
    return Figure(what, ours, "ms", plain, "one plain torch.stft (2048, 512, magnitude)", "≤ 0.65 of it")


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
