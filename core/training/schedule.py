"""The learning rate at every step, as a pure function: nothing to save, and the same after a resume."""

import math

from core.training.recipe import OptimiserSettings


def learning_rate(settings: OptimiserSettings, step: int, steps: int, warmup_steps: int) -> float:
    """The rate of optimiser step ``step`` (from 0) of ``steps``.

    Rises linearly over the first ``warmup_steps``, then stays, or falls to zero along half a cosine (Loshchilov &
    Hutter 2017, without restarts). When a run is extended, ``steps`` grows and the rate goes on at the place it would
    have on the longer cosine, so it jumps up and falls again from there; the warm-up stays as long as it was.
    """
    if step < warmup_steps:
        return settings.learning_rate * (step + 1) / warmup_steps
    if settings.schedule == "constant":
        return settings.learning_rate
    progress = (step - warmup_steps) / max(1, steps - warmup_steps)
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
