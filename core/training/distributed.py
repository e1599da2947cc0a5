"""Data parallelism: several processes train one network, each on its shard of every batch.

The recipe's batch size is that of all processes together: losses, gradients and batch-normalisation statistics are
those of the whole batch. The result equals that of one process up to rounding, except that dropout and augmentation
draw different random numbers. ``torch.nn.SyncBatchNorm`` needs GPUs; `SyncBatchNorm` here works on any device.

Suffixes of batch normalisation: B batch, C channels; x may have more dimensions after C.
"""

import contextlib
import warnings
from collections.abc import Iterator
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.nn.functional import all_reduce
from torch.distributed.rendezvous import rendezvous
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from core.util.device import choose_device
from core.util.errors import UserError
from core.util.parallel import DistInfo, dist_info

TIMEOUT = timedelta(days=30)
"""How long a process waits for the others, because a run may be paused. torchrun detects processes that died."""


class ProcessGroup:
    """Collective operations, which all processes must call in the same order; no-ops for a single process."""

    def __init__(self, info: DistInfo | None = None) -> None:
        self.info = info or DistInfo()

    def shard(self, count: int) -> tuple[int, int]:
        """First and one past the last of this process's shard of ``count`` items."""
        rank, size = self.info.rank, self.info.size
        return count * rank // size, count * (rank + 1) // size

    def sum_count(self, count: int) -> int:
        """The sum of ``count`` over all processes, without synchronising devices."""
        if self.info.is_single:
            return count
        counts = torch.tensor(count)
        dist.all_reduce(counts)
        return int(counts)

    def all_reduce(self, values: Tensor) -> Tensor:
        """Sum ``values`` over all processes in place."""
        if not self.info.is_single:
            dist.all_reduce(values)
        return values

    def all_gather(self, rows: Tensor, count: int) -> Tensor:
        """All ``count`` rows of a batch from the shards ``rows`` of the processes."""
        if self.info.is_single:
            return rows
        first, last = self.shard(count)
        gathered = rows.new_zeros(count, *rows.shape[1:])
        gathered[first:last] = rows
        return self.all_reduce(gathered)

    def broadcast(self, *values: int) -> list[int]:
        """The values of rank 0; those of other ranks are ignored."""
        if self.info.is_single:
            return list(values)
        tensor = torch.tensor(values)
        dist.broadcast(tensor, src=0)
        return tensor.tolist()

    def barrier(self) -> None:
        """Wait until all processes have called this."""
        self.sum_count(0)

    @contextlib.contextmanager
    def leader_first(self) -> Iterator[None]:
        """Run the block on rank 0 first, so that other ranks find its files."""
        if not self.info.is_leader:
            self.barrier()
        yield
        if self.info.is_leader:
            self.barrier()

    def wrap(self, model: nn.Module) -> nn.Module:
        """The module to call in training, which averages gradients over processes; ``model`` is changed in place."""
        if self.info.is_single:
            return model
        convert_sync_batch_norm(model)
        with warnings.catch_warnings(action="ignore", category=FutureWarning):  # it is renamed in torch 2.13
            # Buffers are not broadcast, because every process computes the same.
            return DistributedDataParallel(model, broadcast_buffers=False, gradient_as_bucket_view=True)

    def reseed(self, seed: int, step: int, generator: torch.Generator) -> None:
        """Seed the random numbers of a step on non-zero ranks; rank 0 draws the same as a single process.

        The seed depends only on the step, so all ranks can resume exactly from rank 0's checkpoint.
        """
        if not self.info.is_leader:
            own = (seed * 0x9E3779B97F4A7C15 + step * self.info.size + self.info.rank) % 2**63
            torch.manual_seed(own)
            generator.manual_seed(own)

    def destroy(self) -> None:
        if not self.info.is_single:
            dist.destroy_process_group()


SINGLE = ProcessGroup()


def init_process_group(device_name: str) -> tuple[ProcessGroup, torch.device]:
    """The process group from torchrun, and the device of this process.

    Raises:
        UserError: the device does not exist, or there are too few GPUs.
    """
    info = dist_info()
    if info.is_single:
        return SINGLE, choose_device(device_name)
    if device_name.startswith("cuda:"):
        raise UserError(f"{device_name} is one GPU, and {info.size} processes need one each: choose cuda.")
    if torch.cuda.is_available() and device_name != "cpu":
        if info.local_rank >= torch.cuda.device_count():
            raise UserError(
                f"Each process needs a GPU, and there are {torch.cuda.device_count()}: start fewer processes."
            )
        torch.cuda.set_device(info.local_rank)
    device = choose_device(device_name)
    store, rank, size = next(rendezvous("env://", timeout=TIMEOUT))
    # torchrun's store survives restarts and still holds the addresses of dead processes.
    store = PrefixStore(f"life-{info.restarts}", store)
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=TIMEOUT)
    return ProcessGroup(info), device


class SyncBatchNorm(_BatchNorm):
    """Batch normalisation whose training statistics are those of all processes; parameters have the same names."""

    def _check_input_dim(self, input: Tensor) -> None:
        """Accept any number of dimensions."""

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, ...) → the same shape. Every process needs a shard of at least one window."""
        if not self.training:
            return super().forward(input)
        x = input.float()
        over = [d for d in range(x.dim()) if d != 1]
        var_C, mean_C = torch.var_mean(x, dim=over, correction=0)
        count = torch.full((1,), x.numel() // x.shape[1], dtype=torch.float64, device=x.device)
        # Sums are in float64, because a variance is a small difference of large numbers.
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
        """Update running statistics; ``var_C`` is unbiased, as in ``torch.nn.BatchNorm2d``."""
        assert self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None
        assert self.momentum is not None
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean_C.float(), self.momentum)
        self.running_var.lerp_(var_C.float(), self.momentum)


def convert_sync_batch_norm(module: nn.Module) -> None:
    """Replace every batch normalisation in ``module`` in place."""
    for name, child in module.named_children():
        if isinstance(child, _BatchNorm):
            synced = SyncBatchNorm(child.num_features, eps=child.eps, momentum=child.momentum)
            synced.load_state_dict(child.state_dict())
            setattr(module, name, synced.to(next(child.parameters()).device))
        else:
            convert_sync_batch_norm(child)
