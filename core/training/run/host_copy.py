"""Copies of a training state in main memory, for a thread to write while training continues."""

from typing import Any, TypeVar

import msgspec
import psutil
import torch
from torch import Tensor

from core.training.checkpoint import TrainCheckpoint

LARGEST_SHARE = 0.25
"""Of the free main memory that a copy may take."""

ValueT = TypeVar("ValueT")


class HostCopies:
    """Takes one copy after another. What lies on a GPU is copied to pinned memory, which every copy uses again."""

    def __init__(self) -> None:
        self._pinned: list[Tensor] = []
        self._taken = 0
        """Tensors on the GPU that the present copy has by now."""
        self._gpu: torch.device | None = None

    def fits(self, state: TrainCheckpoint) -> bool:
        """Whether there is enough main memory for a copy, or a former copy's memory."""
        return bool(self._pinned) or _bytes(state) < LARGEST_SHARE * psutil.virtual_memory().available

    def take(self, state: TrainCheckpoint) -> TrainCheckpoint:
        """A copy that nothing changes until the next one is taken. Waits for the device."""
        self._taken = 0
        copy = self._copied(state)
        if self._gpu is not None:
            torch.cuda.synchronize(self._gpu)
        return copy

    def _copied(self, value: ValueT) -> ValueT:
        copy: Any = value
        if isinstance(value, Tensor):
            copy = self._pinned_copy(value) if value.is_cuda else value.clone()
        elif isinstance(value, msgspec.Struct):
            copy = type(value)(**{name: self._copied(getattr(value, name)) for name in value.__struct_fields__})
        elif isinstance(value, dict):
            copy = {key: self._copied(item) for key, item in value.items()}
        elif isinstance(value, list):
            copy = [self._copied(item) for item in value]
        return copy  # type: ignore[no-any-return]

    def _pinned_copy(self, tensor: Tensor) -> Tensor:
        """Copied without waiting; the tensors of a state come in the same order every time."""
        place, self._taken, self._gpu = self._taken, self._taken + 1, tensor.device
        if place == len(self._pinned) or not _alike(self._pinned[place], tensor):
            del self._pinned[place:]
            self._pinned.append(torch.empty_like(tensor, device="cpu", pin_memory=True))
        return self._pinned[place].copy_(tensor, non_blocking=True)


def _alike(one: Tensor, other: Tensor) -> bool:
    return (one.shape, one.dtype, one.stride()) == (other.shape, other.dtype, other.stride())


def _bytes(value: Any) -> int:
    if isinstance(value, Tensor):
        return value.nbytes
    if isinstance(value, msgspec.Struct):
        return sum(_bytes(getattr(value, name)) for name in value.__struct_fields__)
    if isinstance(value, dict):
        return sum(map(_bytes, value.values()))
    return sum(map(_bytes, value)) if isinstance(value, list) else 0
