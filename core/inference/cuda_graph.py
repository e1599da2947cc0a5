"""A network on a CUDA device for many threads: batches from pinned memory, one captured graph per batch size.

A window's front end, network, experts and out-of-distribution score are hundreds of small kernels. Launched one by one
from many threads, they take longer than they compute; a captured graph of them is launched at once.

Suffixes: B windows, N samples, X values per window.
"""

import logging
import queue
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from core.inference.backend import Waveform
from core.util.text import printable

Network = Callable[[Tensor], Tensor]
"""Windows (B, N) on the device → values (B, X) float32, each row from its own window, without synchronisation."""

EAGER_BATCHES = 2
"""Batches of each size before capturing, which takes longer than a few files."""
WARM_UPS = 2
"""Eager passes before capturing, in which libraries are initialised, by the thread that captures."""
BUFFERS = 4
"""Batches in pinned memory: while the device computes one, threads fill the others."""


class PinnedBatch:
    """Windows on their way to the device, and their values on the way back."""

    def __init__(self, windows: int, samples: int, columns: int, *, pinned: bool) -> None:
        self.wave_BN = torch.empty(windows, samples, pin_memory=pinned)
        self.values_BX = torch.empty(windows, columns, pin_memory=pinned)
        self.done = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        """Recorded after the copy of the values; waiting for it leaves the core to other threads."""


@dataclass(frozen=True)
class CapturedForward:
    """A captured forward pass, which reads ``wave_BN`` and writes ``values_BX`` at fixed addresses."""

    graph: torch.cuda.CUDAGraph
    wave_BN: Tensor
    values_BX: Tensor


class CudaGraphForward:
    """The forward pass of ``network``, captured as a CUDA graph once per batch size and then replayed. Thread-safe.

    Batches are padded to a power of two. If capturing fails, the network runs eagerly, with one warning.
    """

    def __init__(self, network: Network, device: torch.device, *, most: int, samples: int, columns: int) -> None:
        """Args:
        most: most windows of a batch.
        samples, columns: N and X.
        """
        self._network, self._device = network, device
        self._most, self._samples, self._columns = most, samples, columns
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._stream.wait_stream(torch.cuda.current_stream(device))  # it may still be preparing the weights
        self._memory = torch.cuda.graph_pool_handle()
        """Shared by all graphs, which never run at once and whose outputs are read before the next one runs."""
        self._lock = threading.Lock()
        self._eager: Counter[int] = Counter()
        self._captured: dict[int, CapturedForward] = {}
        self._can_capture = True
        self._free: queue.SimpleQueue[PinnedBatch | None] = queue.SimpleQueue()
        for _ in range(BUFFERS):
            self._free.put(None)  # allocated when it is needed

    @torch.inference_mode()
    def __call__(self, waves_BN: Sequence[Waveform]) -> Tensor:
        """Windows (B, N) in one or more arrays, at most ``most`` → values (B, X); blocks until they are there."""
        batch = self._free.get()
        try:
            if batch is None:
                pinned = self._device.type == "cuda"
                batch = PinnedBatch(self._most, self._samples, self._columns, pinned=pinned)
            count = sum(map(len, waves_BN))
            np.concatenate(waves_BN, out=batch.wave_BN[:count].numpy())
            with self._lock, torch.cuda.stream(self._stream):
                self._run(batch, count)
                batch.done.record()
            batch.done.synchronize()
            return batch.values_BX[:count].clone()
        finally:
            self._free.put(batch)

    def _run(self, batch: PinnedBatch, count: int) -> None:
        """Queue everything that the device has to do for the first ``count`` windows of a batch."""
        captured = self._captured_for(min(self._most, 1 << (count - 1).bit_length()))
        if captured is None:
            values_BX = self._network(batch.wave_BN[:count].to(self._device, non_blocking=True))
        else:
            # The other rows keep earlier windows; their values are not read.
            captured.wave_BN[:count].copy_(batch.wave_BN[:count], non_blocking=True)
            captured.graph.replay()
            values_BX = captured.values_BX[:count]
        batch.values_BX[:count].copy_(values_BX, non_blocking=True)

    def _captured_for(self, size: int) -> CapturedForward | None:
        """The captured forward pass for ``size`` windows; None while there is none yet, or if capturing failed."""
        if size not in self._captured and self._can_capture:
            if self._eager[size] < EAGER_BATCHES:
                self._eager[size] += 1
                return None
            try:
                self._captured[size] = self._capture(size)
            except RuntimeError as error:  # includes errors of CUDA and missing memory
                self._can_capture = False
                logging.getLogger(__name__).warning(
                    "Classifying without CUDA graphs, which is slower: %s", printable(str(error).partition("\n")[0])
                )
        return self._captured.get(size)

    def _capture(self, size: int) -> CapturedForward:
        """Capture a forward pass without executing it."""
        own_BN = torch.zeros(size, self._samples, device=self._device)
        for _ in range(WARM_UPS):
            self._network(own_BN)
        graph = torch.cuda.CUDAGraph()
        # Other threads may use CUDA at the same time.
        with torch.cuda.graph(graph, pool=self._memory, stream=self._stream, capture_error_mode="thread_local"):
            values_BX = self._network(own_BN)
        return CapturedForward(graph, own_BN, values_BX)
