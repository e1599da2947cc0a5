"""CUDA's streams, events and graphs on the CPU, for code that is given tensors of the CPU.

A graph records the operations of its capture. As on a GPU, a replay runs no Python, reads and writes the tensors of the
capture, and an operation that would wait for the device cannot be captured.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

WAITING = {"_local_scalar_dense", "item", "nonzero", "masked_select", "_unique2", "equal", "is_nonzero"}
"""Operations that read values on the host."""


class FakeGraph:
    def __init__(self) -> None:
        self.operations: list[tuple[Any, tuple[Any, ...], dict[str, Any], Any]] = []
        self.replays = 0

    def replay(self) -> None:
        self.replays += 1
        for operation, args, kwargs, made in self.operations:
            old, new = tree_leaves(made), tree_leaves(operation(*args, **kwargs))
            given = {_memory(one) for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor)}
            for before, after in zip(old, new, strict=True):
                if isinstance(before, Tensor) and _memory(before) not in given:  # neither a view nor in place
                    before.copy_(after)


def _memory(x: Tensor) -> int:
    return x.untyped_storage().data_ptr()


class _Recording(TorchDispatchMode):
    def __init__(self, graph: FakeGraph) -> None:
        super().__init__()
        self.graph = graph

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        masked = name == "index" and any(one is not None and one.dtype == torch.bool for one in args[1])
        if masked or name in WAITING:
            raise RuntimeError("operation not permitted when stream is capturing\nsecond line")
        made = func(*args, **(kwargs or {}))
        self.graph.operations.append((func, args, kwargs or {}, made))
        return made


class FakeStream:
    def __init__(self, device: object = None) -> None:
        self.device = device

    def wait_stream(self, other: object) -> None:
        pass


class FakeEvent:
    def __init__(self, *, blocking: bool = False) -> None:
        self.recorded = 0

    def record(self) -> None:
        self.recorded += 1

    def synchronize(self) -> None:
        assert self.recorded


@contextmanager
def fake_graph(graph: FakeGraph, **_: object) -> Iterator[None]:
    with _Recording(graph):
        yield


@pytest.fixture
def fake_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    fakes = {
        "Stream": FakeStream,
        "Event": FakeEvent,
        "CUDAGraph": FakeGraph,
        "graph": fake_graph,
        "stream": lambda stream: nullcontext(),
        "current_stream": lambda device: FakeStream(device),
        "graph_pool_handle": lambda: (0, 1),
    }
    for name, fake in fakes.items():
        monkeypatch.setattr(torch.cuda, name, fake)
