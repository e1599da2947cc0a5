"""An epoch of training, by our path and by the reference way, on the same clips."""

import statistics
from collections.abc import Iterator
from functools import partial

import torch

from benchmarks import reference
from benchmarks.bench import Bench
from benchmarks.clock import processor_seconds, seconds
from benchmarks.table import Figure
from core.dataset.scan import scan
from core.dataset.store.extract import compute_features
from core.dataset.store.feature_store import FeatureStore
from core.training.checkpoint import build_network
from core.training.loop.init import init_train_state
from core.training.loop.loader import BatchLoader, random_windows
from core.training.loop.step import build_step
from core.training.loop.train import Callbacks, train_epoch
from core.training.presets import preset
from core.training.recipe import Recipe
from core.util.device import choose_device

EPOCH = 800
"""Clips of an epoch that the seconds are given for; fewer are trained on, the same for both ways."""


def measure(bench: Bench) -> Iterator[Figure]:
    yield _compare(bench, preset("quick", "."), 96 if bench.quick else 400, "≥ 3×")
    yield _compare(bench, preset("seed", "."), 16 if bench.quick else 64, "≥ 2×")


def _compare(bench: Bench, recipe: Recipe, clips: int, wanted: str) -> Figure:
    device = choose_device("auto")
    found = scan(bench.collection(400 if not bench.quick else 100)).clips[:: 400 // clips if not bench.quick else 1]
    found = found[:clips]
    features, _ = compute_features(found, recipe.front_end, store=FeatureStore(recipe.front_end, bench.scratch / "ep"))
    loader = BatchLoader(features.to(device), recipe.input_frames, device)
    train = torch.arange(clips)
    train_state = init_train_state(recipe, loader, train)
    step = build_step(train_state)

    def ours(epoch: int) -> None:
        windows = random_windows(train, loader.excerpts, loader.frames, loader.width, 1, recipe.seed, epoch)
        train_epoch(step, loader.batches(windows, recipe.batch_size), Callbacks())
        train_state.train_metrics()  # waits for the device

    model = build_network(recipe, len(features.genres)).to(device)
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
