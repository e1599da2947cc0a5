"""One optimiser step over a batch, as in the textbook. Suffixes: B batch, M mel bands, T frames, C genres."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from core.training.batches import Batch
from core.training.learner import Learner

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
    from core.training.graphed_step import GraphedStep

    return GraphedStep(learner, augment)
