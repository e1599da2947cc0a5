"""Optimiser, learning-rate schedule and weight average of a recipe, without importing PyTorch's compiler."""

import copy
import inspect
import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from core.training.recipe import OptimiserSettings

OPTIMISERS: dict[str, type[torch.optim.Adam]] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


def build_optimiser(
    settings: OptimiserSettings, parameters: Iterable[nn.Parameter], *, fused: bool, capturable: bool = False
) -> Optimizer:
    """Build the optimiser of ``settings`` for ``parameters``.

    Args:
        fused: whether all weights are updated in one kernel.
        capturable: whether a step may be captured in a CUDA graph.
    """
    kind = _without_compiler(OPTIMISERS[settings.name])
    return kind(
        parameters,
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
        fused=fused,
        capturable=capturable,
    )


def _without_compiler(kind: type[torch.optim.Adam]) -> type[torch.optim.Adam]:
    """The same optimiser without importing torch._dynamo, which takes 1.5 of the 4 s before a trainer's first step.

    PyTorch wraps an optimiser's methods to exclude them from compilation, and imports the compiler to do so. Nothing is
    compiled here, so ``step`` is unwrapped and the other methods are marked as already wrapped. If PyTorch no longer
    wraps them in this way, this has no effect.
    """
    for name in ("state_dict", "load_state_dict", "zero_grad", "add_param_group"):
        plain = getattr(getattr(Optimizer, name), "__wrapped__", None)
        if plain is not None and not hasattr(plain, "__dynamo_disable"):
            plain.__dynamo_disable = plain
    return type(kind.__name__, (kind,), {"step": torch.no_grad()(inspect.unwrap(kind.step))})


def learning_rate(settings: OptimiserSettings, step: int, steps: int, warmup_steps: int) -> float:
    """The learning rate of ``step`` (from 0) of ``steps``.

    It rises linearly over the first ``warmup_steps``, then stays constant or falls to zero along half a cosine
    (Loshchilov & Hutter 2017, without restarts). When a run is extended, ``steps`` grows and the rate continues at the
    same step of the longer cosine, so it jumps up and falls again; the warm-up keeps its length.
    """
    if step < warmup_steps:
        return settings.learning_rate * (step + 1) / warmup_steps
    if settings.schedule == "constant":
        return settings.learning_rate
    progress = (step - warmup_steps) / max(1, steps - warmup_steps)
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


class WeightAverage:
    """Exponential moving average of a network's parameters and floating-point buffers.

    The decay is at most (1 + n) / (10 + n) after n updates, so that the initial weights soon lose influence.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.model = copy.deepcopy(model).requires_grad_(False).eval()
        self.updates = 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        averaged: list[Tensor] = list(self.model.parameters())
        current: list[Tensor] = list(model.parameters())
        torch._foreach_lerp_(averaged, current, 1 - decay)
        for ours, theirs in zip(self.model.buffers(), model.buffers(), strict=True):
            if ours.is_floating_point():
                ours.lerp_(theirs, 1 - decay)
            else:
                ours.copy_(theirs)
