"""Log-mel spectrograms of 1,000 clips of 30 s, from the files to the store on disk, and a loop over librosa."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import torch
from threadpoolctl import threadpool_limits

from benchmarks.bench import Bench
from benchmarks.clock import Work, processor_seconds, seconds
from benchmarks.table import Figure
from core.dataset.scan import scan
from core.dataset.store.extract import compute_features
from core.dataset.store.feature_store import FeatureStore
from core.features.settings import FrontEndSettings
from core.util.device import choose_device

CLIPS = 1_000


def measure(bench: Bench) -> Iterator[Figure]:
    folder = bench.collection(100 if bench.quick else CLIPS)
    clips = scan(folder).clips
    device, settings = choose_device("auto"), FrontEndSettings()
    sample = [clip.path for clip in clips[:: len(clips) // 50]]
    _with_librosa(sample[:2], settings)  # compiles what it compiles
    # The loop before and after, so that a change of the machine's load falls on both.
    before = _timed(lambda: _with_librosa(sample, settings), len(sample))
    ours, processor = _timed(lambda: _ours(clips, settings, device, bench.scratch / "store"), len(clips))
    after = _timed(lambda: _with_librosa(sample, settings), len(sample))
    baseline, processor_baseline = (sum(pair) / 2 for pair in zip(before, after, strict=True))
    what = f"features of 1,000 clips of 30 s, from file to store, on {device.type}"
    note = f"librosa on one thread ({len(sample)} clips)"
    yield Figure(what, ours, "s", baseline, note, "≥ 4×, < 15 s", processor)
    yield Figure(f"{what}, processor time", processor, "s", processor_baseline, note)


def _timed(work: Work, clips: int) -> tuple[float, float]:
    """Seconds and processor seconds for `CLIPS` clips."""
    busy = processor_seconds()
    wall = seconds(work)
    return wall / clips * CLIPS, (processor_seconds() - busy) / clips * CLIPS


def _ours(clips: list, settings: FrontEndSettings, device: torch.device, folder: Path) -> None:  # type: ignore[type-arg]
    shutil.rmtree(folder, ignore_errors=True)
    compute_features(clips, settings, device=device, store=FeatureStore(settings, folder))


def _with_librosa(files: list[Path], settings: FrontEndSettings) -> None:
    import librosa  # the extra "bench" brings it

    # Threads of its matrix products spin while they wait, which would count as processor time.
    with threadpool_limits(1):
        for file in files:
            y, rate = librosa.load(file, sr=settings.sample_rate, duration=settings.seconds)
            mel = librosa.feature.melspectrogram(
                y=y, sr=rate, n_fft=settings.n_fft, hop_length=settings.hop_length, n_mels=settings.n_mels
            )
            librosa.power_to_db(mel, top_db=settings.top_db)
