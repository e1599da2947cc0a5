"""Several processes that train one network together, each on its shard of every batch (data parallelism).

The batch is the recipe's, however many processes share it: losses, gradients and batch-normalisation statistics are
those of the whole batch. The result equals that of one process within rounding, except that dropout and augmentation
draw different random numbers. ``torch.nn.SyncBatchNorm`` works on GPUs only; `SyncBatchNorm` here works everywhere.

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

from core.training.distributed.dist_info import DistInfo, dist_info
from core.util.device import choose_device
from core.util.errors import UserError

TIMEOUT = timedelta(days=30)
"""How long a process waits for the others: a paused run waits for people. torchrun notices a process that died."""


class ProcessGroup:
    """Collectives. All processes must call the same methods in the same order; with one process each is a no-op."""

    def __init__(self, info: DistInfo | None = None) -> None:
        self.info = info or DistInfo()

    def shard(self, count: int) -> tuple[int, int]:
        """First and one past the last of this process's shard of ``count`` items."""
        rank, size = self.info.rank, self.info.size
        return count * rank // size, count * (rank + 1) // size

    def sum_count(self, count: int) -> int:
        """The sum of every process's ``count``. Waits for the processes, not for their devices."""
        if self.info.is_single:
            return count
        counts = torch.tensor(count)
        dist.all_reduce(counts)
        return int(counts)

    def all_reduce(self, values: Tensor) -> Tensor:
        """The sum of every process's ``values``, in place, on the device."""
        if not self.info.is_single:
            dist.all_reduce(values)
        return values

    def all_gather(self, rows: Tensor, count: int) -> Tensor:
        """All ``count`` rows of a batch, of which ``rows`` are this process's shard."""
        if self.info.is_single:
            return rows
        first, last = self.shard(count)
        gathered = rows.new_zeros(count, *rows.shape[1:])
        gathered[first:last] = rows
        return self.all_reduce(gathered)

    def broadcast(self, *values: int) -> list[int]:
        """Rank 0's ``values``; those of the other ranks are ignored."""
        if self.info.is_single:
            return list(values)
        tensor = torch.tensor(values)
        dist.broadcast(tensor, src=0)
        return tensor.tolist()

    def barrier(self) -> None:
        """Waits until every process is here."""
        self.sum_count(0)

    @contextlib.contextmanager
    def leader_first(self) -> Iterator[None]:
        """The block runs on rank 0 first; the other ranks then find its files."""
        if not self.info.is_leader:
            self.barrier()
        yield
        if self.info.is_leader:
            self.barrier()

    def wrap(self, model: nn.Module) -> nn.Module:
        """``model`` (changed in place) as a module to call in training, with gradients averaged over all processes."""
        if self.info.is_single:
            return model
        convert_sync_batch_norm(model)
        with warnings.catch_warnings(action="ignore", category=FutureWarning):  # torch 2.13 has another name for it
            # Buffers need no broadcast: every process computes the same.
            return DistributedDataParallel(model, broadcast_buffers=False, gradient_as_bucket_view=True)

    def reseed(self, seed: int, step: int, generator: torch.Generator) -> None:
        """Seeds a step's random numbers on non-zero ranks; rank 0 draws what a single process would.

        A function of the step, so rank 0's checkpoint is enough for all ranks to resume exactly.
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
    """The group that torchrun started this process in, and this process's device.

    Raises:
        UserError: the device does not exist, or there are too few.
    """
    info = dist_info()
    if info.is_single:
        return SINGLE, choose_device(device_name)
    if device_name.startswith("cuda:"):
        raise UserError(f"{device_name} is one GPU, and {info.size} processes need one each: choose cuda.")
    if torch.cuda.is_available() and device_name != "cpu":
        if info.local_rank >= torch.cuda.device_count():
            raise UserError(
                f"There are {torch.cuda.device_count()} GPUs here, and each process needs one: start fewer processes."
            )
        torch.cuda.set_device(info.local_rank)
    device = choose_device(device_name)
    store, rank, size = next(rendezvous("env://", timeout=TIMEOUT))
    # torchrun keeps its store across restarts, with the addresses of processes that are gone.
    store = PrefixStore(f"life-{info.restarts}", store)
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=TIMEOUT)
    return ProcessGroup(info), device


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
