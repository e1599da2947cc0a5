"""A step as one CUDA graph: a small network has hundreds of kernels that take less time than to ask for them."""

import warnings
from collections import Counter
from dataclasses import dataclass

import torch
from torch import Tensor

from core.training.batches import Batch
from core.training.learner import Learner
from core.training.step import Augmentation, Step

FIRST_STEPS = 2
"""Steps of each size that are done kernel by kernel: libraries set themselves up, the optimiser makes its state."""


@dataclass(frozen=True)
class Captured:
    """A recorded step. It reads ``batch`` and leaves its loss in ``loss``, always at the same places."""

    graph: torch.cuda.CUDAGraph
    batch: Batch
    loss: Tensor


class GraphedStep(Step):
    """The same step, the same random draws and the same sums, recorded once for each size of a batch, then replayed.

    The learning rate is a tensor that the optimiser reads; whatever else changes from step to step happens outside.
    """

    def __init__(self, learner: Learner, augment: Augmentation | None = None) -> None:
        super().__init__(learner, augment)
        warnings.filterwarnings("ignore", "This instance was constructed with capturable=True")  # it is, soon
        self._stream = torch.cuda.Stream(learner.precision.device)  # type: ignore[no-untyped-call]
        self._memory = torch.cuda.graph_pool_handle()
        """Shared by all graphs: no two run at once, and of one nothing is read but its loss, before the next runs."""
        self._done: Counter[int] = Counter()
        self._captured: dict[int, Captured] = {}

    def _on_device(self, batch: Batch, whole: int) -> Tensor:
        size = len(batch.labels_B)
        assert whole == size, "a team's share of a batch would be recorded with the batch"
        if size not in self._captured:
            if self._done[size] < FIRST_STEPS:
                self._done[size] += 1
                return self._kernel_by_kernel(batch, whole)
            self._captured[size] = self._capture(batch, whole)
        captured = self._captured[size]
        captured.batch.mel_BMT.copy_(batch.mel_BMT)
        captured.batch.labels_B.copy_(batch.labels_B)
        captured.graph.replay()
        return captured.loss

    def _kernel_by_kernel(self, batch: Batch, whole: int) -> Tensor:
        """On the stream that will record: what autograd sets up must not belong to another."""
        current = torch.cuda.current_stream(self.learner.precision.device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            loss = super()._on_device(batch, whole)
        current.wait_stream(self._stream)
        return loss

    def _capture(self, batch: Batch, whole: int) -> Captured:
        """Records a step without doing it."""
        own = Batch(torch.empty_like(batch.mel_BMT), torch.empty_like(batch.labels_B))
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self.learner.generator)
        # Other threads may use CUDA meanwhile.
        recording = torch.cuda.graph(graph, pool=self._memory, stream=self._stream, capture_error_mode="thread_local")
        with torch.cuda.device(self._stream.device), recording:
            loss = super()._on_device(own, whole)
        return Captured(graph, own, loss)
