"""A training step as it is, and compiled: what ``torch.compile`` gains has to pay for its start-up.

On CUDA, where a step is a graph of its kernels, also without that graph, and with the compiler's (``reduce-overhead``);
and ``seed_cnn``, uncompiled.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor

from benchmarks.bench import Bench
from benchmarks.table import Figure
from core.dataset.scan import scan
from core.dataset.store.extract import compute_features
from core.dataset.store.feature_set import FeatureSet
from core.models.layers.conv import ConvBlock
from core.training.loop.init import augmentation, init_train_state
from core.training.loop.loader import BatchLoader, Windows, random_windows
from core.training.loop.step import Augmentation, Step, build_step
from core.training.loop.train import Callbacks, train_epoch
from core.training.loop.train_state import TrainState
from core.training.presets import preset
from core.training.recipe import Recipe
from core.util.device import choose_device

STEPS = 24
WARM = 4
"""Steps that are not counted: the first compiles, others fill caches."""


class StepClock(Callbacks):
    """Takes the time at every step, and the loss, which waits for the device."""

    def __init__(self) -> None:
        self.marks = [time.perf_counter()]
        self.losses: list[float] = []

    def batch_trained(self, train_state: TrainState, loss: Tensor, clips: int) -> None:
        self.losses.append(float(loss))
        self.marks.append(time.perf_counter())

    @property
    def median(self) -> float:
        """Seconds per step after warm-up."""
        return statistics.median(self.seconds[WARM:])

    @property
    def seconds(self) -> list[float]:
        return [end - begin for begin, end in zip(self.marks, self.marks[1:], strict=False)]


def measure(bench: Bench) -> Iterator[Figure]:
    device = choose_device("auto")
    modes = ["default"] if device.type == "cpu" else ["default", "reduce-overhead"]
    for name in ("quick", "best", "seed") if device.type == "cuda" else ("quick", "best"):
        recipe = preset(name, ".")
        features, _ = compute_features(scan(bench.collection(100)).clips, recipe.front_end)
        features = features.to(device)
        ours = _steps(recipe, features, build_step)
        if device.type == "cuda":
            kernels = _steps(recipe, features, Step)
            what = f"a step of {recipe.model} on cuda, as one CUDA graph"
            yield Figure(what, ours.median * 1000, "ms", kernels.median * 1000, "kernel by kernel")
        for mode in modes if name != "seed" else ():
            compiled = _steps(recipe, features, partial(_compiled, mode=mode))
            what = f"a step of {recipe.model} on {device.type}, torch.compile ({mode})"
            if not all(loss == loss for loss in compiled.losses):
                what += ", whose loss is NaN"
            yield Figure(what, compiled.median * 1000, "ms", ours.median * 1000, "as we do it")
            yield Figure(f"start-up of it, {recipe.model}", compiled.seconds[0] - compiled.median, "s")


def _steps(recipe: Recipe, features: FeatureSet, make: Callable[[TrainState, Augmentation | None], Step]) -> StepClock:
    loader = BatchLoader(features, recipe.input_frames, features.device)
    step = make(init_train_state(recipe, loader, torch.arange(len(features.clips))), augmentation(recipe))
    clock = StepClock()
    train_epoch(step, loader.batches(_windows(recipe, loader), recipe.batch_size), clock)
    return clock


def _compiled(train_state: TrainState, augment: Augmentation | None, *, mode: str) -> Step:
    """The step with the network compiled, which has its own way with convolution blocks."""
    for block in train_state.model.modules():
        if isinstance(block, ConvBlock):
            block.own_kernels = False
    train_state.model.compile(mode=mode, dynamic=False)
    return Step(train_state, augment)


def _windows(recipe: Recipe, loader: BatchLoader) -> Windows:
    """As many as `STEPS` whole batches take."""
    clips = torch.arange(len(loader.frames))
    turns = -(-STEPS * recipe.batch_size // len(clips))
    windows = random_windows(clips, loader.excerpts, loader.frames, loader.width, turns, recipe.seed, epoch=1)
    return windows.part(0, STEPS * recipe.batch_size)
