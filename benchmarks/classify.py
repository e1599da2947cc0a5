"""Whole files to predictions, 30 s each: ``classify``'s own path, and the plain loop over librosa and torch.

The plain loop reads a file, transforms it, cuts the spectrogram into windows of 3 s, asks the network, takes the mean:
one file after the other on the main thread. It gives no segments' predictions, no levels and no "uncertain".
"""

import copy
import os
import statistics
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import soundfile
import soxr
import torch

from benchmarks.bench import Bench
from benchmarks.clock import processor_seconds, seconds
from benchmarks.table import Figure
from core.audio.files.decode import stream
from core.inference.backend import Values, Waveform
from core.inference.batch.classify_files import classify_files
from core.inference.classifier import Classifier
from core.inference.windows import MOST
from core.models.ood import WINDOW_SECONDS
from core.training.checkpoint import TrainedModel, load_model
from core.util.parallel import cores, ordered_map, tune_process


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
    yield from _formats(bench, classifier, network, files[:20], 1 if bench.quick else 3)
    # Three groups of `classify_files`, full as in a library.
    yield _after_decoding(classifier, bench.files(100)[:24], 3 if bench.quick else 9)
    yield _without_network(classifier, bench.files(100)[:96], 3 if bench.quick else 9)


def _formats(
    bench: Bench, classifier: Classifier, network: TrainedModel, files: list[Path], turns: int
) -> Iterator[Figure]:
    """Each format beside decoding alone, as it is decoded here, and beside the plain loop."""
    folder = bench.scratch / "formats"
    folder.mkdir(exist_ok=True)
    for suffix in FORMATS:
        made = [_as(file, folder / f"{number}{suffix}") for number, file in enumerate(files)]
        works = (
            lambda made=made: list(classify_files(classifier, made, jobs=cores())),
            lambda made=made: list(ordered_map(_decode, made, cores())),
            lambda made=made: _plain(network, made),
        )
        taken = []
        for _ in range(turns):
            times = [seconds(work) for work in works]
            before = processor_seconds()
            works[0]()
            taken.append((*times, processor_seconds() - before))
        own, alone, plain, processor = (statistics.median(column) / len(made) for column in zip(*taken, strict=True))
        what = f"classify a 30 s {suffix} among many"
        yield Figure(what, own * 1000, "ms", alone * 1000, "decoding alone", processor=processor)
        yield Figure(f"{what} (again)", own * 1000, "ms", plain * 1000, "librosa and torch, a file at a time")


FORMATS = {
    ".au": (22_050, "AU", "PCM_16"),
    ".flac": (44_100, "FLAC", "PCM_16"),
    ".mp3": (44_100, "MP3", None),
    ".ogg": (44_100, "OGG", "VORBIS"),
    ".opus": (48_000, "OGG", "OPUS"),
}
"""Rate, format and subtype; all but .au are stereo, as in music libraries."""


def _as(file: Path, target: Path) -> Path:
    """The sound in the format that the suffix says."""
    rate, container, subtype = FORMATS[target.suffix]
    y, original = soundfile.read(file, dtype="float32")
    if rate != original:
        mono = np.clip(soxr.resample(y, original, rate), -1, 1)
        y = np.stack([mono, 0.8 * mono], axis=1)
    soundfile.write(target, y, rate, format=container, subtype=subtype)
    return target


def _decode(file: Path) -> None:
    for _ in stream(file):
        pass


def _after_decoding(classifier: Classifier, files: list[Path], turns: int) -> Figure:
    """Medians of CPU time per clip for three tasks that alternate on one core."""
    tune_process()  # as the command does; the STFT gains more from it
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


def _without_network(classifier: Classifier, files: list[Path], turns: int) -> Figure:
    """What is left for threads beside a GPU: reading, cutting, copying windows together, decisions."""
    network = copy.copy(classifier.network)
    room_BN = np.empty((2 * MOST, network.window_samples), dtype=np.float32)
    values = np.random.default_rng(0).standard_normal((2 * MOST, len(network.genres)))

    def instant(*waves_BN: Waveform) -> tuple[Values, Values]:
        count = sum(map(len, waves_BN))
        np.concatenate(waves_BN, out=room_BN[:count])
        return values[:count], np.zeros(count)

    setattr(network, "forward", instant)  # noqa: B010 - mypy allows no other way
    only = Classifier(network, classifier.model)
    taken = []
    for _ in range(turns + 1):  # the first does not count
        before = processor_seconds()
        list(classify_files(only, files, jobs=1))
        taken.append(processor_seconds() - before)
    milliseconds = statistics.median(taken[1:]) / len(files) * 1000
    return Figure("classify a 30 s .au, all but the network, processor time of one thread", milliseconds, "ms")


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
