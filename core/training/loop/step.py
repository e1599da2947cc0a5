"""One optimiser step over a batch, as in the textbook. Suffixes: B batch, M mel bands, T frames, C genres."""

import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from core.training.loop.loader import Batch
from core.training.loop.train_state import Learner

Augmentation = Callable[[Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor]]
"""(mel_BMT, one-hot labels_BC, generator) → the same, augmented; labels may come back as mixtures."""


class Step:
    """Nothing is read back from the device: loss and hits are summed up there."""

    def __init__(self, learner: Learner, augment: Augmentation | None = None) -> None:
        """Args:
        augment: applied to every batch, on the device.
        """
        self.learner = learner
        self.augment = augment

    def __call__(self, batch: Batch, whole: int) -> Tensor:
        """Trains on a batch; its mean loss, on the device, good until the next step.

        Args:
            whole: windows of the batch over all processes, of which ``batch`` holds this one's.
        """
        learner = self.learner
        learner.begin_step()
        loss = self._on_device(batch, whole)
        learner.end_step(whole)
        return loss

    def _on_device(self, batch: Batch, whole: int) -> Tensor:
        """What a step does to tensors, and to nothing else."""
        learner, (mel_BMT, labels_B) = self.learner, batch
        targets = labels_B
        if self.augment is not None:
            one_hot_BC = F.one_hot(labels_B, learner.genres).float()
            mel_BMT, targets = self.augment(mel_BMT, one_hot_BC, learner.generator)
        with learner.precision.autocast():
            logits_BC = learner.parallel(mel_BMT).float()
        loss = F.cross_entropy(logits_BC, targets, label_smoothing=learner.recipe.optimiser.label_smoothing)
        learner.optimiser.zero_grad(set_to_none=True)
        # Gradients are averaged over the processes, whose shares may differ by one window.
        (loss * (len(labels_B) * learner.team.place.size / whole)).backward()  # type: ignore[no-untyped-call]
        learner.optimiser.step()
        learner.sum_up(loss.detach(), logits_BC.detach(), labels_B)
        return loss.detach()


def step_of(learner: Learner, augment: Augmentation | None = None) -> Step:
    """The step that suits the learner's device."""
    if not learner.graphed:
        return Step(learner, augment)

    return GraphedStep(learner, augment)


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
