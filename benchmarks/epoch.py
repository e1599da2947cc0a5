"""An epoch of training, by our path and by the reference way, on the same clips."""

import statistics
from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor

from benchmarks import reference
from benchmarks.bench import Bench
from benchmarks.clock import processor_seconds, seconds
from benchmarks.table import Figure
from core.dataset.scan import scan
from core.dataset.store.extract import compute_features
from core.dataset.store.feature_store import FeatureStore
from core.training.checkpoint import network_of
from core.training.loop.evaluation import Evaluation
from core.training.loop.init import begin
from core.training.loop.loader import BatchLoader
from core.training.loop.sampler import random_windows
from core.training.loop.step import step_of
from core.training.loop.train import train_epoch
from core.training.loop.train_state import EpochMetrics, TrainState
from core.training.presets import preset
from core.training.recipe import Recipe
from core.util.device import choose_device

EPOCH = 800
"""Clips of an epoch that the seconds are told for; fewer are trained on, the same for both ways."""


class Silent:
    """A `Callbacks` that does nothing."""

    def epoch_started(self, train_state: TrainState) -> None: ...

    def batch_trained(self, train_state: TrainState, loss: Tensor, clips: int) -> None: ...

    def epoch_trained(self, train_state: TrainState) -> None: ...

    def batch_validated(self, train_state: TrainState, batch: int, batches: int) -> None: ...

    def epoch_finished(self, train_state: TrainState, score: EpochMetrics, validation: Evaluation) -> None: ...


def measure(bench: Bench) -> Iterator[Figure]:
    yield _compare(bench, preset("quick", "."), 96 if bench.quick else 400, "≥ 3×")
    yield _compare(bench, preset("seed", "."), 16 if bench.quick else 64, "≥ 2×")


def _compare(bench: Bench, recipe: Recipe, clips: int, wanted: str) -> Figure:
    device = choose_device("auto")
    found = scan(bench.collection(400 if not bench.quick else 100)).clips[:: 400 // clips if not bench.quick else 1]
    found = found[:clips]
    features, _ = compute_features(found, recipe.front_end, store=FeatureStore(recipe.front_end, bench.scratch / "ep"))
    reader = BatchLoader(features.to(device), recipe.input_frames, device)
    train = torch.arange(clips)
    train_state = begin(recipe, reader, train)
    step = step_of(train_state)

    def ours(epoch: int) -> None:
        windows = random_windows(train, reader.frames, reader.width, 1, recipe.seed, epoch)
        train_epoch(step, reader.batches(windows, recipe.batch_size), Silent())
        train_state.train_scores()  # waits for the device

    model = network_of(recipe, len(features.genres)).to(device)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-5)
    files = reference.AudioFiles([clip.path for clip in found], recipe.front_end, recipe.input_frames)
    ours(1)  # memory, kernels
    busy = processor_seconds()
    ours(2)
    busy = (processor_seconds() - busy) / clips * EPOCH
    taken = [
        (seconds(partial(ours, n)), seconds(lambda: reference.train_epoch(model, optimiser, files, device)))
        for n in range(2, 3 if bench.quick else 5)
    ]
    own, theirs = (statistics.median(column) / clips * EPOCH for column in zip(*taken, strict=True))
    what = f"an epoch of {recipe.model}, {EPOCH} clips ({clips} measured), on {device.type}"
    return Figure(what, own, "s", theirs, "the reference way", wanted, busy)
