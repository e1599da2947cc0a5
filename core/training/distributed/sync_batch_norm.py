"""Batch normalisation by the statistics of the whole batch, where several processes have a part of it each.

``torch.nn.SyncBatchNorm`` does this on GPUs only. Suffixes: B batch, C channels; x may have more dimensions behind.
"""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


class _Summed(torch.autograd.Function):
    """The sum over all processes; so is its gradient."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        values = values.clone()
        dist.all_reduce(values)
        return values

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        gradient = gradient.clone()
        dist.all_reduce(gradient)
        return gradient


class SyncedBatchNorm(_BatchNorm):
    """In evaluation as any batch normalisation; weights and buffers have the same names, too."""

    def _check_input_dim(self, input: Tensor) -> None:
        """Any number of dimensions."""

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, ...) → the same shape. Every process must have its part, of one window at least."""
        if not self.training:
            return super().forward(input)
        x = input.float()
        over = [d for d in range(x.dim()) if d != 1]
        var_C, mean_C = torch.var_mean(x, dim=over, correction=0)
        count = torch.full((1,), x.numel() // x.shape[1], dtype=torch.float64, device=x.device)
        # Sums in float64: a variance is a small difference of large numbers.
        sums = torch.cat([count, count * mean_C.double(), count * (var_C.double() + mean_C.double().square())])
        sums = _Summed.apply(sums)  # type: ignore[no-untyped-call]
        total = sums[0]
        mean_C, square_C = (sums[1:] / total).chunk(2)
        var_C = square_C - mean_C.square()
        self._follow(mean_C.detach(), (var_C * (total / (total - 1))).detach())
        scale_C = self.weight * torch.rsqrt(var_C + self.eps).float()
        shift_C = self.bias - mean_C.float() * scale_C
        shape = [1, -1] + [1] * (x.dim() - 2)
        normalised: Tensor = x * scale_C.view(shape) + shift_C.view(shape)
        return normalised.to(input.dtype)

    @torch.no_grad()
    def _follow(self, mean_C: Tensor, var_C: Tensor) -> None:
        """The running statistics, by the unbiased variance as everywhere."""
        assert self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None
        assert self.momentum is not None
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean_C.float(), self.momentum)
        self.running_var.lerp_(var_C.float(), self.momentum)


def synced(module: nn.Module) -> None:
    """Replaces every batch normalisation inside ``module``, in place."""
    for name, child in module.named_children():
        if isinstance(child, _BatchNorm):
            ours = SyncedBatchNorm(child.num_features, eps=child.eps, momentum=child.momentum)
            ours.load_state_dict(child.state_dict())
            setattr(module, name, ours.to(next(child.parameters()).device))
        else:
            synced(child)
