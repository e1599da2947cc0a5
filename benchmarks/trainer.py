"""Real runs in trainer processes of their own: whole training, the first epoch's line, memory."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import torch

from benchmarks import reference
from benchmarks.bench import Bench
from benchmarks.clock import seconds
from benchmarks.table import Figure
from core.runs.directory import create
from core.runs.journal.events import (
    BatchProgress,
    DatasetScanned,
    EpochFinished,
    RunFailed,
    RunFinished,
    RunStarted,
    RunStopped,
)
from core.runs.journal.journal import JournalReader
from core.runs.launch import launch
from core.training.checkpoint import build_network
from core.training.presets import preset
from core.training.recipe import Recipe, to_dict
from core.util.device import choose_device
from core.util.text import counted

EPOCHS = 20


@dataclass
class Life:
    """One run as it was seen from outside."""

    seconds: float = 0.0
    started: float = 0.0
    """Seconds from the launch to the journal's first line: Python, torch and, on a GPU, CUDA are there."""
    scanned: float = 0.0
    """Seconds from the launch until the dataset is known."""
    first_epoch: float = 0.0
    """Seconds from the launch to the first epoch's line in the journal."""
    last_epoch: float = 0.0
    """Likewise to the last one's."""
    peak: int = 0
    """The most memory that the process had, in bytes."""
    rate: float = 0.0
    """Windows a second, at the last word about a batch."""
    processor: float = 0.0
    """Seconds of processor time, over all threads."""
    phases: dict[str, float] = field(default_factory=dict)
    """Phase → seconds, as the run says at its end."""
    background: dict[str, float] = field(default_factory=dict)
    """The same of what threads did beside them."""

    def by_phase(self, name: str) -> Iterator[Figure]:
        for phase, taken in self.phases.items():
            yield Figure(f"{name}: {phase}", taken, "s")
        for phase, taken in self.background.items():
            yield Figure(f"{name}: {phase}, in the background", taken, "s")


def live(bench: Bench, recipe: Recipe, *, cache: Path, batches: int | None = None) -> Life:
    """Train ``recipe`` to its end, or kill the trainer after ``batches`` optimiser steps."""
    os.environ["GENRE_TUI_CACHE"] = str(cache)
    run = create(bench.scratch / "runs", to_dict(recipe), "bench", recipe.model)
    began = time.monotonic()
    process = psutil.Process(launch(run))
    life = Life()
    reader = JournalReader(run.journal_path)
    try:
        while not _follow(life, reader, began, batches):
            life.peak = max(life.peak, _peak(process))
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                life.processor = times.user + times.system
            time.sleep(0.02)
    finally:
        life.seconds = time.monotonic() - began
        if process.is_running():
            process.kill()
        shutil.rmtree(run.path, ignore_errors=True)
    return life


def _follow(life: Life, reader: JournalReader, began: float, batches: int | None) -> bool:
    """Whether the run has come to its end."""
    for event in reader.read():
        match event:
            case BatchProgress(phase="train"):
                life.rate = event.clips_per_second
                if batches is not None and event.step >= batches:
                    return True
            case RunStarted():
                life.started = time.monotonic() - began
            case DatasetScanned():
                life.scanned = time.monotonic() - began
            case EpochFinished():
                life.last_epoch = time.monotonic() - began
                life.first_epoch = life.first_epoch or life.last_epoch
            case RunFinished() | RunStopped():
                life.phases, life.background = event.phases, event.background
                return True
            case RunFailed():
                raise RuntimeError(event.error)
    return False


def _peak(process: psutil.Process) -> int:
    """Linux keeps the peak; elsewhere what is resident now is the best that can be had."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except OSError:
        return process.memory_info().rss if process.is_running() else 0
    return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0)


def measure(bench: Bench) -> Iterator[Figure]:
    """Whole training on the music that is there (gtzan-mini: 96 clips)."""
    recipe = preset("quick", str(bench.music))
    cache = bench.scratch / "cache"
    shutil.rmtree(cache, ignore_errors=True)
    cold, warm = live(bench, recipe, cache=cache), live(bench, recipe, cache=cache)
    epochs = 1 if bench.quick else 3
    by_reference = _reference(bench, recipe, epochs) / epochs
    note = f"the reference way, training only ({counted(epochs, 'epoch')} measured)"
    name = f"{recipe.model} on {bench.music.parent.name}"
    whole = f"{EPOCHS} epochs, {name}, cold"
    yield Figure(f"{whole}, report included", cold.seconds, "s", by_reference * EPOCHS, note, "< 15 s", cold.processor)
    yield from cold.by_phase(whole)
    yield Figure("the first epoch's line, cold", cold.first_epoch, "s", wanted="< 25 s")
    yield Figure("the first epoch's line, features stored", warm.first_epoch, "s", wanted="< 2 s")


def memory(bench: Bench) -> Iterator[Figure]:
    """A trainer on a collection of the full size."""
    clips = 200 if bench.quick else 1_000
    recipe = preset("quick", str(bench.collection(clips)))
    life = live(bench, recipe, cache=bench.scratch / "cache", batches=150)
    yield Figure(
        f"memory of a trainer, {recipe.model}, {clips:,} clips of 30 s", life.peak / 1e6, "MB", wanted="< 4,000 MB"
    )


def _reference(bench: Bench, recipe: Recipe, epochs: int) -> float:
    device = choose_device("auto")
    files = sorted(path for path in bench.music.rglob("*") if path.suffix in {".au", ".wav"})
    files = files[: round(len(files) * 0.8)]
    genres = len({file.parent.name for file in files})
    model = build_network(recipe, genres).to(device)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-5)
    dataset = reference.AudioFiles(files, recipe.front_end, recipe.input_frames)
    return seconds(lambda: [reference.train_epoch(model, optimiser, dataset, device) for _ in range(epochs)])
