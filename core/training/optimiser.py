"""The optimiser of a recipe, without the compiler that torch's optimisers bring along."""

import inspect
from collections.abc import Iterable

import torch
from torch import nn
from torch.optim import Optimizer

from core.training.recipe import OptimiserSettings

OPTIMISERS: dict[str, type[torch.optim.Adam]] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


def build_optimiser(
    settings: OptimiserSettings, parameters: Iterable[nn.Parameter], *, fused: bool, capturable: bool = False
) -> Optimizer:
    """Adam or AdamW over ``parameters``.

    Args:
        fused: whether all weights are updated in one kernel.
        capturable: whether a step may be recorded in a CUDA graph.
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
    """The same optimiser, but torch._dynamo is not imported for it: 1.5 of the 4 s before a trainer's first step.

    Torch wraps an optimiser's methods to keep its compiler out of them, and imports the compiler to tell it so. Nothing
    is compiled here. ``step`` is taken out of its wrapping; the other methods are marked as told. Where torch no longer
    wraps them so, this changes nothing.
    """
    for name in ("state_dict", "load_state_dict", "zero_grad", "add_param_group"):
        plain = getattr(getattr(Optimizer, name), "__wrapped__", None)
        if plain is not None and not hasattr(plain, "__dynamo_disable"):
            plain.__dynamo_disable = plain
    return type(kind.__name__, (kind,), {"step": torch.no_grad()(inspect.unwrap(kind.step))})
