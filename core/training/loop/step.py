"""One optimiser step over a batch, as in the textbook. Suffixes: B batch, M mel bands, T frames, C genres."""

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
"""(mel_BMT, one-hot labels_BC, generator) → the same, augmented; labels may come back as mixtures."""


class Step:
    """Nothing is read back from the device: loss and hits are summed up there."""

    def __init__(self, train_state: TrainState, augment: Augmentation | None = None) -> None:
        """Args:
        augment: applied to every batch, on the device.
        """
        self.train_state = train_state
        self.augment = augment

    def __call__(self, batch: Batch, whole: int) -> Tensor:
        """Trains on a batch; its mean loss, on the device, good until the next step.

        Args:
            whole: windows of the batch over all processes, of which ``batch`` holds this one's.
        """
        train_state = self.train_state
        train_state.begin_step()
        loss = self._on_device(batch, whole)
        train_state.end_step(whole)
        return loss

    def _on_device(self, batch: Batch, whole: int) -> Tensor:
        """What a step does to tensors, and to nothing else."""
        train_state, (mel_BMT, labels_B) = self.train_state, batch
        targets = labels_B
        if self.augment is not None:
            one_hot_BC = F.one_hot(labels_B, train_state.genres).float()
            mel_BMT, targets = self.augment(mel_BMT, one_hot_BC, train_state.generator)
        with train_state.precision.autocast():
            logits_BC = train_state.parallel(mel_BMT).float()
        loss = F.cross_entropy(logits_BC, targets, label_smoothing=train_state.recipe.optimiser.label_smoothing)
        train_state.optimiser.zero_grad(set_to_none=True)
        # Gradients are averaged over the processes, whose shares may differ by one window.
        (loss * (len(labels_B) * train_state.team.place.size / whole)).backward()  # type: ignore[no-untyped-call]
        train_state.optimiser.step()
        train_state.sum_up(loss.detach(), logits_BC.detach(), labels_B)
        return loss.detach()


def step_of(train_state: TrainState, augment: Augmentation | None = None) -> Step:
    """The step that suits the train_state's device."""
    if not train_state.graphed:
        return Step(train_state, augment)

    return GraphedStep(train_state, augment)


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

    def __init__(self, train_state: TrainState, augment: Augmentation | None = None) -> None:
        super().__init__(train_state, augment)
        warnings.filterwarnings("ignore", "This instance was constructed with capturable=True")  # it is, soon
        self._stream = torch.cuda.Stream(train_state.precision.device)  # type: ignore[no-untyped-call]
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
        current = torch.cuda.current_stream(self.train_state.precision.device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            loss = super()._on_device(batch, whole)
        current.wait_stream(self._stream)
        return loss

    def _capture(self, batch: Batch, whole: int) -> Captured:
        """Records a step without doing it."""
        own = Batch(torch.empty_like(batch.mel_BMT), torch.empty_like(batch.labels_B))
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self.train_state.generator)
        # Other threads may use CUDA meanwhile.
        recording = torch.cuda.graph(graph, pool=self._memory, stream=self._stream, capture_error_mode="thread_local")
        with torch.cuda.device(self._stream.device), recording:
            loss = super()._on_device(own, whole)
        return Captured(graph, own, loss)
