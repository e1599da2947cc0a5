"""A running average of the weights, which is what is evaluated and kept (Polyak & Juditsky 1992)."""

import copy

import torch
from torch import Tensor, nn


class WeightAverage:
    """Exponential moving average of a network's parameters; its floating-point buffers alike.

    Early on the decay is lower, (1 + n) / (10 + n) after n updates, so that the initial weights are soon forgotten.
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
