"""The state of training, which is everything that resuming exactly needs."""

import copy
import gc
import math
from typing import Any

import torch
from torch import Tensor, nn

from core.training.checkpoint import (
    AverageState,
    BestEpoch,
    EpochMetrics,
    OptimiserState,
    RandomState,
    TrainCheckpoint,
    TrainProgress,
)
from core.training.distributed import SINGLE, ProcessGroup
from core.training.errors import Diverged
from core.training.loop.optim import WeightAverage, build_optimiser, learning_rate
from core.training.loop.precision import Precision
from core.training.loop.weigh import HeldOut
from core.training.recipe import Recipe


class TrainState:
    """A network in training with its optimiser, moving average, random state, sums and progress."""

    def __init__(
        self,
        model: nn.Module,
        recipe: Recipe,
        precision: Precision,
        *,
        genres: int,
        batches: int,
        group: ProcessGroup = SINGLE,
        held: HeldOut | None = None,
    ) -> None:
        """Args:
        model: a newly built network, which is moved to the device.
        batches: optimiser steps per epoch.
        group: the processes that share every batch.
        held: held-out clips for choosing the network's weight.
        """
        self.recipe = recipe
        self.precision = precision
        self.genres = genres
        self.batches = batches
        self.group = group
        self.held = held
        self.model = precision.to_device(model)
        self.parallel_model = group.wrap(self.model)
        """The module to call in training: ``model`` or a wrapper that averages gradients over processes."""
        settings = recipe.optimiser
        self.cuda_graph = precision.cuda_graph and group.info.is_single
        """Whether steps are captured, so that the optimiser's state must be on the device."""
        self.optimiser = build_optimiser(
            settings, self.model.parameters(), fused=precision.fused, capturable=self.cuda_graph
        )
        self._rate = settings.learning_rate
        self._rate_on_device = torch.tensor(self._rate, device=precision.device) if self.cuda_graph else None
        self.average = WeightAverage(self.model, settings.weight_average) if settings.weight_average else None
        self.generator = torch.Generator(precision.device).manual_seed(recipe.seed)
        """Generator for augmentation; dropout uses PyTorch's global one."""
        self.sums = torch.zeros(2, device=precision.device)
        """Loss and number of correct predictions of the current epoch, summed on the device."""
        self.recorded_gradient_norm: Tensor | None = None
        """The gradient norm from a captured step."""
        self.progress = TrainProgress(epochs=recipe.epochs, planned=recipe.epochs)

    @property
    def eval_model(self) -> nn.Module:
        """The network to evaluate and save: the moving average if there is one."""
        return self.model if self.average is None else self.average.model

    @property
    def gradient_norm(self) -> Tensor:
        """L2 norm of the last step's gradient, on the device; NaN before the first.

        It is computed on demand, from the gradient, which stays until the next step.
        """
        if self.recorded_gradient_norm is not None:
            return self.recorded_gradient_norm
        gradients = [weight.grad for weight in self.model.parameters() if weight.grad is not None]
        return torch.nn.utils.get_total_norm(gradients) if gradients else torch.tensor(math.nan)

    @property
    def finished(self) -> bool:
        """Whether all epochs are done or patience has run out."""
        return self.progress.epoch >= self.progress.epochs or self.out_of_patience

    @property
    def out_of_patience(self) -> bool:
        """Whether validation has not improved for the number of epochs of the recipe's patience."""
        progress, patience = self.progress, self.recipe.patience
        if patience is None or progress.best is None:
            return False
        return progress.epoch - max(progress.best.epoch, progress.patient_from) >= patience

    def learning_rate(self) -> float:
        """The learning rate of the next step."""
        progress = self.progress
        warmup = round(self.recipe.optimiser.warmup * progress.planned * self.batches)
        return learning_rate(self.recipe.optimiser, progress.step, progress.epochs * self.batches, warmup)

    @property
    def last_learning_rate(self) -> float:
        return self._rate

    def begin_step(self) -> None:
        """Set the learning rate, and on non-zero ranks the seed of the step."""
        self.group.reseed(self.recipe.seed, self.progress.step, self.generator)
        self._set_rate(self.learning_rate())

    def _set_rate(self, rate: float) -> None:
        self._rate = rate
        if self._rate_on_device is not None:
            self._rate_on_device.fill_(rate)
        for group in self.optimiser.param_groups:
            group["lr"] = rate if self._rate_on_device is None else self._rate_on_device

    def add_to_sums(self, loss: Tensor, logits_BC: Tensor, labels_B: Tensor) -> None:
        """Add a trained batch to the sums without synchronising."""
        sums = torch.stack([loss * len(labels_B), (logits_BC.argmax(1) == labels_B).sum()])
        self.sums += self.group.all_reduce(sums)

    def end_step(self, global_batch_size: int) -> None:
        """Update moving average and progress."""
        if self.average is not None:
            self.average.update(self.model)
        self.progress.step += 1
        self.progress.batch += 1
        self.progress.clips += global_batch_size

    def leave_group(self) -> None:
        """Leave the process group; the network can still be evaluated."""
        # The wrapper goes first: the last reference to gloo's group, dropped with it, waits for gloo's threads while it
        # holds the interpreter's lock, and they may need that lock.
        self.parallel_model = self.model
        gc.collect()
        self.group.destroy()

    def train_metrics(self) -> tuple[float, float]:
        """Mean loss and accuracy of the current epoch so far; synchronises.

        Raises:
            Diverged: the loss is NaN or infinite.
        """
        loss, accuracy = (self.sums / max(1, self.progress.clips)).tolist()
        self.check_loss(
            loss, f"The loss became {loss} in epoch {self.progress.epoch + 1}, by batch {self.progress.batch}"
        )
        return loss, accuracy

    def check_loss(self, loss: float, message: str) -> None:
        """Check that training does not diverge.

        Raises:
            Diverged: ``loss`` is NaN or infinite.
        """
        if not math.isfinite(loss):
            raise Diverged(message)

    def end_epoch(self, metrics: EpochMetrics, candidate: BestEpoch | None) -> None:
        """End the current epoch, which becomes the best one if ``candidate`` is better than the best so far."""
        progress = self.progress
        progress.history.append(metrics)
        if candidate is not None and candidate.beats(progress.best):
            progress.best = candidate
        progress.epoch, progress.batch, progress.clips, progress.seconds = metrics.epoch, 0, 0, 0.0
        self.sums.zero_()

    def checkpoint(self) -> TrainCheckpoint:
        """The state for last.pth; tensors are shared with training, not copied."""
        device = self.precision.device
        optimiser: dict[str, Any] = self.optimiser.state_dict()
        for group in optimiser["param_groups"]:
            group |= {"lr": self._rate, "capturable": False}  # for resuming on any kind of device
        average = self.average
        return TrainCheckpoint(
            weights=self.model.state_dict(),
            optimiser=OptimiserState(**optimiser),
            average=None if average is None else AverageState(average.model.state_dict(), average.updates),
            random=RandomState(
                cpu=torch.get_rng_state(),
                cuda=torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
                augmentation=self.generator.get_state(),
            ),
            sums=self.sums,
            progress=self.progress,
            window_frames=self.recipe.input_frames,
        )

    def restore(self, saved: TrainCheckpoint) -> None:
        """Restore a saved state.

        Raises:
            KeyError, RuntimeError, TypeError, ValueError: the state belongs to another network or recipe.
        """
        self.model.load_state_dict(saved.weights)
        # This depends on the device, and is set first because it also decides where step counts are stored.
        own = {"fused": self.precision.fused, "capturable": self.cuda_graph}
        groups = [group | own for group in saved.optimiser.param_groups]
        self.optimiser.load_state_dict({"state": saved.optimiser.state, "param_groups": groups})
        self._set_rate(float(groups[0]["lr"]))
        if self.average is not None:
            if saved.average is None:
                raise ValueError("it has no moving average of the weights")
            self.average.model.load_state_dict(saved.average.weights)
            self.average.updates = saved.average.updates
        self.sums.copy_(saved.sums)
        self.progress = saved.progress
        torch.set_rng_state(saved.random.cpu)
        # On another kind of device, only the random numbers differ from those of an uninterrupted run.
        if self.precision.device.type == "cuda" and saved.random.cuda is not None:
            torch.cuda.set_rng_state(saved.random.cuda, self.precision.device)
        if saved.random.augmentation.shape == self.generator.get_state().shape:
            self.generator.set_state(saved.random.augmentation)


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    """The network's weights in contiguous format."""
    return {name: tensor.detach().contiguous() for name, tensor in model.state_dict().items()}


def copy_of(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return copy.deepcopy(weights)
