"""Runs for tests: small recipes, trained in this process or in a trainer process of their own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import torch

from core.features.settings import AugmentationSettings, FrontEndSettings
from core.runs.control import request
from core.runs.directory import create
from core.runs.folder import RunFolder
from core.runs.journal import events as ev
from core.runs.journal.journal import JournalReader
from core.training.recipe import OptimiserSettings, Recipe, to_dict
from core.training.run.trainer import run_trainer
from tests.support.waiting import wait_until

FRONT_END = FrontEndSettings(sample_rate=11_025, n_fft=512, hop_length=256, n_mels=32, seconds=2.0)

EVERYTHING = {
    "optimiser": OptimiserSettings(
        name="adamw", schedule="cosine", warmup=0.25, weight_average=0.9, label_smoothing=0.1
    ),
    "augmentation": AugmentationSettings(time_stretch=0.5, gain=0.5, roll=0.5, time_mask=0.5, mixup=0.5),
}
"""Every part of a recipe that keeps a state of its own or draws random numbers."""


def recipe(data: Path, **changes: Any) -> Recipe:
    settings: dict[str, Any] = {
        "model": "small_cnn",
        "front_end": FRONT_END,
        "epochs": 3,
        "batch_size": 4,
        "crop_seconds": 1.0,
        "test_crops": 2,
        "device": "cpu",
        "spectrograms": False,
    }
    return Recipe(data=str(data), **settings | changes)


def new_run(runs: Path, data: Path, **changes: Any) -> RunFolder:
    asked = recipe(data, **changes)
    return create(runs, to_dict(asked), "made-up", asked.model)


def train(run: RunFolder, on_event: Callable[[ev.Event], None] | None = None) -> ev.Event:
    """A life of the run in this process, to its last event."""
    return run_trainer(run.path, on_event)


def events(run: RunFolder) -> list[ev.AnyEvent]:
    return JournalReader(run.journal_path).read()


def of_kind(run: RunFolder, kind: type[ev.Event]) -> list[Any]:
    return [event for event in events(run) if isinstance(event, kind)]


def wait_for(run: RunFolder, what: Callable[[ev.AnyEvent], bool], name: str, seconds: float = 60.0) -> None:
    """Waits until the journal has an event for which ``what`` holds."""
    loader = JournalReader(run.journal_path)
    wait_until(lambda: any(what(event) for event in loader.read()), name, seconds)


def change_recipe(run: RunFolder, **changes: Any) -> None:
    run.write_recipe(run.read_recipe() | {name: msgspec.to_builtins(value) for name, value in changes.items()})


def load(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = torch.load(path, weights_only=True)
    return loaded


def assert_same(one: object, other: object, where: str = "") -> None:
    """Bit for bit, through dictionaries and lists."""
    if isinstance(one, torch.Tensor):
        assert isinstance(other, torch.Tensor) and torch.equal(one, other), where
    elif isinstance(one, dict):
        assert isinstance(other, dict) and one.keys() == other.keys(), where
        for key in one:
            assert_same(one[key], other[key], f"{where}.{key}")
    elif isinstance(one, list | tuple):
        assert isinstance(other, list | tuple) and len(one) == len(other), where
        for i, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_same(a, b, f"{where}[{i}]")
    else:
        assert one == other, f"{where}: {one!r} is not {other!r}"


def assert_same_training(one: RunFolder, other: RunFolder) -> None:
    """The two runs' last.pth and best_model.pth hold the same, apart from how long it took and what was asked first."""
    for name in ("last.pth", "best_model.pth"):
        a, b = load(one.path / name), load(other.path / name)
        for plain in (a.get("place", {}), b.get("place", {}), a.get("recipe", {}), b.get("recipe", {})):
            for key in ("seconds", "planned", "epochs"):
                plain.pop(key, None)
        assert_same(a, b, name)


def stop_when(run: RunFolder, moment: Any) -> Any:
    """A callback that asks for a stop at the first event for which ``moment`` holds."""
    asked = False

    def on_event(event: ev.Event) -> None:
        nonlocal asked
        if not asked and moment(event):
            asked = True
            request(run.path, "stop")

    return on_event
