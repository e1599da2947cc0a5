"""Several processes that train one network together, each on its share of every batch (data parallelism).

The batch is the recipe's, however many share it: losses, gradients and the statistics of batch normalisation are those
of the whole batch. So the result is one process' within rounding, dropout and augmentation apart: those draw elsewhere.
"""

import warnings
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

from core.training.distributed.ranks import DistInfo, ranks
from core.training.loop.sampler import Windows
from core.util.device import choose_device
from core.util.errors import UserError

PATIENCE = timedelta(days=30)
"""How long a process waits for the others: a paused run waits for people. torchrun notices one that has died."""


class ProcessGroup:
    """All processes must call the same methods in the same order; alone, each does nothing."""

    def __init__(self, place: DistInfo | None = None) -> None:
        self.place = place or DistInfo()

    def part(self, whole: int) -> tuple[int, int]:
        """Where this process' share of ``whole`` windows begins and ends."""
        rank, size = self.place.rank, self.place.size
        return whole * rank // size, whole * (rank + 1) // size

    def share(self, windows: Windows) -> Windows:
        return windows if self.place.alone else windows.part(*self.part(len(windows)))

    def total(self, count: int) -> int:
        """The sum of every process' ``count``. Waits for the processes, not for their devices."""
        if self.place.alone:
            return count
        counts = torch.tensor(count)
        dist.all_reduce(counts)
        return int(counts)

    def summed(self, values: Tensor) -> Tensor:
        """The sum of every process' ``values``, on the device."""
        if not self.place.alone:
            dist.all_reduce(values)
        return values

    def joined(self, rows: Tensor, whole: int) -> Tensor:
        """All ``whole`` rows of a batch, of which ``rows`` are this process' share."""
        if self.place.alone:
            return rows
        first, last = self.part(whole)
        everything = rows.new_zeros(whole, *rows.shape[1:])
        everything[first:last] = rows
        return self.summed(everything)

    def told(self, *values: int) -> list[int]:
        """The leader's ``values``; what the others pass counts for nothing."""
        if self.place.alone:
            return list(values)
        said = torch.tensor(values)
        dist.broadcast(said, src=0)
        return said.tolist()

    def wait(self) -> None:
        """Until every process has come here."""
        self.total(0)

    def parallel(self, model: nn.Module) -> nn.Module:
        """``model`` (changed in place) as something to call in training, with the gradients of the whole team."""
        if self.place.alone:
            return model
        from core.training.distributed.sync_batch_norm import synced

        synced(model)
        with warnings.catch_warnings(action="ignore", category=FutureWarning):  # torch 2.13 has another name for it
            # Buffers need no broadcast: every process computes the same.
            return DistributedDataParallel(model, broadcast_buffers=False, gradient_as_bucket_view=True)

    def reseed(self, seed: int, step: int, generator: torch.Generator) -> None:
        """Gives this process draws of its own for a step; the leader's are those of a process that is alone.

        A function of the step, so that the leader's checkpoint is enough for all to go on exactly.
        """
        if not self.place.leads:
            own = (seed * 0x9E3779B97F4A7C15 + step * self.place.size + self.place.rank) % 2**63
            torch.manual_seed(own)
            generator.manual_seed(own)

    def leave(self) -> None:
        if not self.place.alone:
            dist.destroy_process_group()


ALONE = ProcessGroup()


def join(device_name: str) -> tuple[ProcessGroup, torch.device]:
    """The team that torchrun has started this process in, and its device.

    Raises:
        UserError: there is no such device, or too few.
    """
    place = ranks()
    if place.alone:
        return ALONE, choose_device(device_name)
    if device_name.startswith("cuda:"):
        raise UserError(f"{device_name} is one GPU, and {place.size} processes take one each: say cuda.")
    if torch.cuda.is_available() and device_name != "cpu":
        if place.local >= torch.cuda.device_count():
            raise UserError(f"There are {torch.cuda.device_count()} GPUs here, one for each process: start fewer.")
        torch.cuda.set_device(place.local)
    device = choose_device(device_name)
    store, rank, size = next(rendezvous("env://", timeout=PATIENCE))
    # torchrun keeps its store through restarts, with the addresses of processes that are gone.
    store = PrefixStore(f"life-{place.restarts}", store)
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=PATIENCE)
    return ProcessGroup(place), device
