"""The reference project's whole job, decode and features included: 20 epochs of ``seed_cnn`` on 800 of 1,000 clips.

Its own time was 16.6 s an epoch on a GPU of a notebook service. The floor is what reading and writing the weights,
their gradients and Adam's two averages takes at every step; nearly all are the first fully connected layer's.
"""

from collections.abc import Iterator

import msgspec
import torch

from benchmarks.bench import Bench
from benchmarks.table import Figure
from benchmarks.trainer import live
from core.training.checkpoint import network_of
from core.training.device import choose_device
from core.training.presets import preset
from core.training.recipe import Recipe
from tui.figures import count

CLIPS, EPOCHS = 1_000, 20
REFERENCE_EPOCH = 16.6
"""Seconds, as the reference project tells them."""
PASSES = 7
"""Reads of weight, gradient and two averages, and writes of all but the gradient, by a fused Adam."""


def measure(bench: Bench) -> Iterator[Figure]:
    """A process from its launch to its end, report included; without a GPU, or quickly, one epoch instead of twenty."""
    device = choose_device("auto")
    clips = 100 if bench.quick else CLIPS
    for name in ("seed", "best"):
        recipe = preset(name, str(bench.collection(clips)))
        if bench.quick or device.type == "cpu":
            recipe = msgspec.structs.replace(recipe, epochs=1)
        epochs = count(recipe.epochs, "epoch")
        what = f"{epochs} of {recipe.model}, {clips:,} clips from file to report, on {device.type}"
        life = live(bench, recipe, cache=bench.scratch / f"cache-whole-{name}")
        if name == "best":
            yield Figure(what, life.seconds, "s", wanted="< 60 s on a GPU")
            continue
        theirs = REFERENCE_EPOCH * recipe.epochs * clips / CLIPS if device.type == "cuda" else None
        note = "16.6 s an epoch, as the reference tells" if theirs else ""
        yield Figure(what, life.seconds, "s", theirs, note, "< 5 s on a GPU")
        if device.type == "cuda":
            steps = recipe.epochs * -(-round(0.8 * clips) // recipe.batch_size)
            yield Figure("its floor: the traffic of Adam's state", _floor(recipe, device) * steps, "s")


def _floor(recipe: Recipe, device: torch.device) -> float:
    """Seconds that moving the state of one step takes, at the rate at which this device copies memory."""
    weights = sum(parameter.numel() for parameter in network_of(recipe, 10).parameters())
    source = torch.empty(1 << 28, device=device)
    target = torch.empty_like(source)
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    target.copy_(source)
    begin.record()
    for _ in range(10):
        target.copy_(source)
    end.record()
    torch.cuda.synchronize(device)
    bytes_a_second = 10 * 2 * source.nbytes / (begin.elapsed_time(end) / 1000)
    return PASSES * 4 * weights / bytes_a_second
