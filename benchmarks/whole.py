"""The reference project's whole job: 20 epochs of ``seed_cnn`` on 800 of 1,000 clips, and that of ``best``.

Its own time was 16.6 s an epoch on a GPU of a notebook service. The floor is what a step has to move of the weights,
nearly all of which are the first fully connected layer's, at the rate at which the device copies memory.
"""

from collections.abc import Iterator

import msgspec
import torch

from benchmarks.bench import Bench
from benchmarks.table import Figure
from benchmarks.trainer import live
from core.training.checkpoint import build_network
from core.training.presets import preset
from core.training.recipe import Recipe
from core.util.device import choose_device
from core.util.text import counted

CLIPS = 1_000
REFERENCE_EPOCH = 16.6
"""Seconds, as the reference project tells them."""
PASSES = 10
"""Forward and backward read the weights, and the gradient is written; Adam reads weights, gradient and two averages,
and writes all but the gradient."""


def measure(bench: Bench) -> Iterator[Figure]:
    """A process from its launch to its end; without a GPU, or quickly, one epoch instead of all."""
    device = choose_device("auto")
    clips = 100 if bench.quick else CLIPS
    for name, wanted, wanted_in_all in (("seed", "< 4 s on a GPU", "< 8 s on a GPU"), ("best", "", "< 60 s on a GPU")):
        recipe = preset(name, str(bench.collection(clips)))
        if bench.quick or device.type == "cpu":
            recipe = msgspec.structs.replace(recipe, epochs=1)
        what = f"{counted(recipe.epochs, 'epoch')} of {recipe.model}, {clips:,} clips, on {device.type}"
        life = live(bench, recipe, cache=bench.scratch / f"cache-whole-{name}")
        theirs, note = None, ""
        if name == "seed" and device.type == "cuda":
            theirs, note = REFERENCE_EPOCH * recipe.epochs * clips / CLIPS, "16.6 s an epoch, as the reference tells"
        yield Figure(f"{what}: decode, features, training", life.last_epoch - life.scanned, "s", theirs, note, wanted)
        yield Figure("the scan before it, every file hashed and decoded", life.scanned - life.started, "s")
        yield Figure("start of the process before that", life.started, "s")
        yield Figure("all of it, with report and pictures", life.seconds, "s", wanted=wanted_in_all)
        yield from life.by_phase(recipe.model)
        if name == "seed" and device.type == "cuda":
            steps = recipe.epochs * -(-round(0.8 * clips) // recipe.batch_size)
            yield Figure("floor of the training: the traffic of its weights", _floor(recipe, device) * steps, "s")


def _floor(recipe: Recipe, device: torch.device) -> float:
    """Seconds that moving the weights of one step takes, at the rate at which this device copies memory."""
    weights = sum(parameter.numel() for parameter in build_network(recipe, 10).parameters())
    source = torch.empty(1 << 28, device=device)
    target = torch.empty_like(source)
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    target.copy_(source)
    begin.record()
    for _ in range(10):
        target.copy_(source)
    end.record()
    torch.cuda.synchronize(device)
    bytes_per_second = 10 * 2 * source.nbytes / (float(begin.elapsed_time(end)) / 1000)
    return PASSES * 4 * weights / bytes_per_second
