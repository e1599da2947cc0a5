"""A training step as it is, and compiled: what ``torch.compile`` gains has to pay for its start-up.

On CUDA also with a graph of the step's kernels (its mode ``reduce-overhead``).
"""

import statistics
import time
from collections.abc import Iterator

import torch
from torch import Tensor

from benchmarks.bench import Bench
from benchmarks.epoch import Silent
from benchmarks.table import Figure
from core.dataset.feature_set import FeatureSet
from core.dataset.features import compute_features
from core.dataset.scan import scan
from core.training.batches import WindowReader
from core.training.begin import augmentation, begin
from core.training.device import choose_device
from core.training.learner import Learner
from core.training.presets import preset
from core.training.recipe import Recipe
from core.training.train import train_epoch
from core.training.windows import Windows, random_windows

STEPS = 24
WARM = 4
"""Steps that are not counted: the first compiles, others fill caches."""


class StepClock(Silent):
    """Takes the time at every step, and the loss, which waits for the device."""

    def __init__(self) -> None:
        self.marks = [time.perf_counter()]
        self.losses: list[float] = []

    def batch_trained(self, learner: Learner, loss: Tensor, clips: int) -> None:
        self.losses.append(float(loss))
        self.marks.append(time.perf_counter())

    @property
    def seconds(self) -> list[float]:
        return [end - begin for begin, end in zip(self.marks, self.marks[1:], strict=False)]


def measure(bench: Bench) -> Iterator[Figure]:
    device = choose_device("auto")
    modes = ["default"] if device.type == "cpu" else ["default", "reduce-overhead"]
    for recipe in (preset("quick", "."), preset("best", ".")):
        features, _ = compute_features(scan(bench.collection(100)).clips, recipe.front_end)
        features = features.to(device)
        plain = _steps(recipe, features, None)
        for mode in modes:
            compiled = _steps(recipe, features, mode)
            what = f"a step of {recipe.model} on {device.type}, torch.compile ({mode})"
            if not all(loss == loss for loss in compiled.losses):
                what += ", whose loss is NaN"
            own, theirs = (statistics.median(clock.seconds[WARM:]) for clock in (compiled, plain))
            yield Figure(what, own * 1000, "ms", theirs * 1000, "as it is")
            yield Figure(f"start-up of it, {recipe.model}", compiled.seconds[0] - own, "s")


def _steps(recipe: Recipe, features: FeatureSet, mode: str | None) -> StepClock:
    reader = WindowReader(features, recipe.input_frames, features.device)
    learner = begin(recipe, reader, torch.arange(len(features.clips)))
    if mode is not None:
        learner.parallel = torch.compile(learner.model, mode=mode, dynamic=False)
    clock = StepClock()
    train_epoch(learner, reader.batches(_windows(recipe, reader), recipe.batch_size), clock, augmentation(recipe))
    return clock


def _windows(recipe: Recipe, reader: WindowReader) -> Windows:
    """As many as `STEPS` whole batches take."""
    clips = torch.arange(len(reader.frames))
    turns = -(-STEPS * recipe.batch_size // len(clips))
    windows = random_windows(clips, reader.frames, reader.width, turns, recipe.seed, epoch=1)
    return windows.part(0, STEPS * recipe.batch_size)
