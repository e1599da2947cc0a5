"""One optimiser step over a batch. Suffixes: B batch, M mel bands, T frames, C genres."""

import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from core.training.loop.loader import Batch
from core.training.loop.train_state import TrainState

Augmentation = Callable[[Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor]]
"""(mel_BMT, one-hot labels_BC, generator) → augmented mel_BMT and labels_BC, which may be mixed."""


class Step:
    """A step without synchronisation: loss and correct predictions are summed on the device."""

    def __init__(self, train_state: TrainState, augment: Augmentation | None = None) -> None:
        """Args:
        augment: applied to every batch, on the device.
        """
        self.train_state = train_state
        self.augment = augment

    def __call__(self, batch: Batch, global_batch_size: int) -> Tensor:
        """Train on a batch; returns its mean loss on the device, which is valid until the next step.

        Args:
            batch: this process's shard.
            global_batch_size: windows of the batch over all processes.
        """
        train_state = self.train_state
        train_state.begin_step()
        loss = self._on_device(batch, global_batch_size)
        train_state.end_step(global_batch_size)
        return loss

    def _on_device(self, batch: Batch, global_batch_size: int) -> Tensor:
        """The part of a step that can be captured."""
        train_state, (mel_BMT, labels_B) = self.train_state, batch
        targets = labels_B
        if self.augment is not None:
            one_hot_BC = F.one_hot(labels_B, train_state.genres).float()
            mel_BMT, targets = self.augment(mel_BMT, one_hot_BC, train_state.generator)
        with train_state.precision.autocast():
            logits_BC = train_state.parallel_model(mel_BMT).float()
        loss = F.cross_entropy(logits_BC, targets, label_smoothing=train_state.recipe.optimiser.label_smoothing)
        train_state.optimiser.zero_grad(set_to_none=True)
        # Gradients are averaged over processes, whose shards may differ by one window.
        share = len(labels_B) * train_state.group.info.size / global_batch_size
        (loss * share).backward()  # type: ignore[no-untyped-call]
        train_state.optimiser.step()
        train_state.add_to_sums(loss.detach(), logits_BC.detach(), labels_B)
        return loss.detach()


def build_step(train_state: TrainState, augment: Augmentation | None = None) -> Step:
    """The step for the train state's device."""
    return CudaGraphStep(train_state, augment) if train_state.cuda_graph else Step(train_state, augment)


FIRST_STEPS = 2
"""Eager steps of each batch size before capturing, in which libraries and the optimiser's state are initialised."""


@dataclass(frozen=True)
class CapturedStep:
    """A captured step, which reads ``batch`` and writes the other two at fixed addresses."""

    graph: torch.cuda.CUDAGraph
    batch: Batch
    loss: Tensor
    gradient_norm: Tensor


class CudaGraphStep(Step):
    """The same step, captured as a CUDA graph once per batch size and then replayed.

    The learning rate is a tensor; everything else that changes between steps is outside the graph.
    """

    def __init__(self, train_state: TrainState, augment: Augmentation | None = None) -> None:
        super().__init__(train_state, augment)
        warnings.filterwarnings("ignore", "This instance was constructed with capturable=True")  # capture follows
        self._stream = torch.cuda.Stream(train_state.precision.device)  # type: ignore[no-untyped-call]
        self._memory = torch.cuda.graph_pool_handle()
        """Shared by all graphs, which never run at once and whose outputs are read before the next one runs."""
        self._done: Counter[int] = Counter()
        self._captured: dict[int, CapturedStep] = {}

    def _on_device(self, batch: Batch, global_batch_size: int) -> Tensor:
        size = len(batch.labels_B)
        assert global_batch_size == size, "a captured step has one process"
        if size not in self._captured:
            if self._done[size] < FIRST_STEPS:
                self._done[size] += 1
                self.train_state.recorded_gradient_norm = None
                return self._eager(batch)
            self._captured[size] = self._capture(batch)
        captured = self._captured[size]
        captured.batch.mel_BMT.copy_(batch.mel_BMT)
        captured.batch.labels_B.copy_(batch.labels_B)
        captured.graph.replay()
        self.train_state.recorded_gradient_norm = captured.gradient_norm
        return captured.loss

    def _eager(self, batch: Batch) -> Tensor:
        """An eager step on the stream used for capturing, because autograd's state belongs to a stream."""
        current = torch.cuda.current_stream(self.train_state.precision.device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            loss = super()._on_device(batch, len(batch.labels_B))
        current.wait_stream(self._stream)
        return loss

    def _capture(self, batch: Batch) -> CapturedStep:
        """Capture a step without executing it."""
        own = Batch(torch.empty_like(batch.mel_BMT), torch.empty_like(batch.labels_B))
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self.train_state.generator)
        # Other threads may use CUDA at the same time.
        capture = torch.cuda.graph(graph, pool=self._memory, stream=self._stream, capture_error_mode="thread_local")
        with torch.cuda.device(self._stream.device), capture:
            loss = super()._on_device(own, len(own.labels_B))
            self.train_state.recorded_gradient_norm = None  # it belongs to another batch size
            gradient_norm = self.train_state.gradient_norm
        return CapturedStep(graph, own, loss, gradient_norm)
