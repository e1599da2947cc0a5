"""Batch normalisation by the statistics of the whole batch, where several processes have a shard of it each.

``torch.nn.SyncBatchNorm`` does this on GPUs only. Suffixes: B batch, C channels; x may have more dimensions after C.
"""

import torch
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce
from torch.nn.modules.batchnorm import _BatchNorm


class SyncBatchNorm(_BatchNorm):
    """In evaluation like any batch normalisation; weights and buffers have the same names, too."""

    def _check_input_dim(self, input: Tensor) -> None:
        """Any number of dimensions."""

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, ...) → the same shape. Every process must have a shard of at least one window."""
        if not self.training:
            return super().forward(input)
        x = input.float()
        over = [d for d in range(x.dim()) if d != 1]
        var_C, mean_C = torch.var_mean(x, dim=over, correction=0)
        count = torch.full((1,), x.numel() // x.shape[1], dtype=torch.float64, device=x.device)
        # Sums in float64: a variance is a small difference of large numbers.
        sums = torch.cat([count, count * mean_C.double(), count * (var_C.double() + mean_C.double().square())])
        sums = all_reduce(sums)  # type: ignore[no-untyped-call]  # sums its gradient, too
        total = sums[0]
        mean_C, square_C = (sums[1:] / total).chunk(2)
        var_C = square_C - mean_C.square()
        self._update_running_stats(mean_C.detach(), (var_C * (total / (total - 1))).detach())
        scale_C = self.weight * torch.rsqrt(var_C + self.eps).float()
        shift_C = self.bias - mean_C.float() * scale_C
        shape = [1, -1] + [1] * (x.dim() - 2)
        normalised: Tensor = x * scale_C.view(shape) + shift_C.view(shape)
        return normalised.to(input.dtype)

    @torch.no_grad()
    def _update_running_stats(self, mean_C: Tensor, var_C: Tensor) -> None:
        """``var_C`` is unbiased, as in ``torch.nn.BatchNorm2d``."""
        assert self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None
        assert self.momentum is not None
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean_C.float(), self.momentum)
        self.running_var.lerp_(var_C.float(), self.momentum)


def convert_sync_batch_norm(module: nn.Module) -> None:
    """Replaces every batch normalisation inside ``module``, in place."""
    for name, child in module.named_children():
        if isinstance(child, _BatchNorm):
            synced = SyncBatchNorm(child.num_features, eps=child.eps, momentum=child.momentum)
            synced.load_state_dict(child.state_dict())
            setattr(module, name, synced.to(next(child.parameters()).device))
        else:
            convert_sync_batch_norm(child)
