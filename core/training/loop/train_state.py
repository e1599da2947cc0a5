"""Everything that training changes, and so everything that an exact resume needs."""

import copy
import math
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from core.training.distributed.group import ALONE, ProcessGroup
from core.training.errors import Diverged
from core.training.loop.optim import WeightAverage, build_optimiser, learning_rate
from core.training.loop.precision import Precision
from core.training.recipe import Recipe


@dataclass(frozen=True)
class EpochMetrics:
    """One finished epoch, as the curves show it."""

    epoch: int
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    learning_rate: float


@dataclass(frozen=True)
class BestEpoch:
    """The epoch with the highest validation accuracy so far, the lower loss deciding between equals."""

    epoch: int
    val_accuracy: float
    val_loss: float
    calibration: dict[str, float]

    def beats(self, other: "BestEpoch | None") -> bool:
        return other is None or (self.val_accuracy, -self.val_loss) > (other.val_accuracy, -other.val_loss)


@dataclass
class TrainProgress:
    """Where training is, in plain numbers."""

    epochs: int
    """Epochs asked for, extensions included."""
    planned: int
    """Epochs that were asked for at first; the warm-up is a fraction of these."""
    epoch: int = 0
    """Whole epochs done."""
    batch: int = 0
    """Batches done in the epoch at work."""
    clips: int = 0
    """Windows trained on in the epoch at work."""
    step: int = 0
    """Optimiser steps since the start."""
    seconds: float = 0.0
    """Time spent on training the epoch at work, when it was saved."""
    patient_from: int = 0
    """The epoch from which patience counts, after a run that had lost it was extended."""
    best: BestEpoch | None = None
    history: list[EpochMetrics] = field(default_factory=list)


def progress_from(plain: dict[str, Any]) -> TrainProgress:
    """The place back from the plain values of a checkpoint."""
    best = None if plain["best"] is None else BestEpoch(**plain["best"])
    return TrainProgress(**plain | {"best": best, "history": [EpochMetrics(**row) for row in plain["history"]]})


class TrainState:
    """A network in training: its weights, optimiser, average, random state, running sums and place."""

    def __init__(
        self,
        model: nn.Module,
        recipe: Recipe,
        precision: Precision,
        *,
        genres: int,
        batches: int,
        team: ProcessGroup = ALONE,
    ) -> None:
        """Args:
        model: freshly built; it is moved to the device.
        batches: optimiser steps in an epoch.
        team: who shares every batch.
        """
        self.recipe = recipe
        self.precision = precision
        self.genres = genres
        self.batches = batches
        self.team = team
        self.model = precision.place(model)
        self.parallel = team.parallel(self.model)
        """The network to call in training: ``model`` itself, or around it what adds up the team's gradients."""
        settings = recipe.optimiser
        self.graphed = precision.graphed and team.place.alone
        """Whether steps are recorded and replayed, and so the optimiser must keep all that it reads on the device."""
        self.optimiser = build_optimiser(
            settings, self.model.parameters(), fused=precision.fused, capturable=self.graphed
        )
        self._rate = settings.learning_rate
        self._rate_on_device = torch.tensor(self._rate, device=precision.device) if self.graphed else None
        self.average = WeightAverage(self.model, settings.weight_average) if settings.weight_average else None
        self.generator = torch.Generator(precision.device).manual_seed(recipe.seed)
        """Draws the augmentation; dropout draws from torch's global state."""
        self.sums = torch.zeros(2, device=precision.device)
        """Loss and right predictions of the epoch at work, summed on the device."""
        self.place = TrainProgress(epochs=recipe.epochs, planned=recipe.epochs)

    @property
    def judged(self) -> nn.Module:
        """The network that is evaluated and kept: the averaged one where there is an average."""
        return self.model if self.average is None else self.average.model

    @property
    def finished(self) -> bool:
        """Whether the last epoch is done, or patience is lost."""
        return self.place.epoch >= self.place.epochs or self.out_of_patience

    @property
    def out_of_patience(self) -> bool:
        """Whether validation has not improved for as long as the recipe's patience."""
        place, patience = self.place, self.recipe.patience
        if patience is None or place.best is None:
            return False
        return place.epoch - max(place.best.epoch, place.patient_from) >= patience

    def learning_rate(self) -> float:
        """The rate of the next step."""
        place = self.place
        warmup = round(self.recipe.optimiser.warmup * place.planned * self.batches)
        return learning_rate(self.recipe.optimiser, place.step, place.epochs * self.batches, warmup)

    @property
    def rate_of_last_step(self) -> float:
        return self._rate

    def begin_step(self) -> None:
        """Sets the learning rate, and what the step will draw."""
        self.team.reseed(self.recipe.seed, self.place.step, self.generator)
        self._set_rate(self.learning_rate())

    def _set_rate(self, rate: float) -> None:
        self._rate = rate
        if self._rate_on_device is not None:
            self._rate_on_device.fill_(rate)
        for group in self.optimiser.param_groups:
            group["lr"] = rate if self._rate_on_device is None else self._rate_on_device

    def sum_up(self, loss: Tensor, logits_BC: Tensor, labels_B: Tensor) -> None:
        """Takes a batch that was trained on into the sums, without reading anything from the device."""
        sums = torch.stack([loss * len(labels_B), (logits_BC.argmax(1) == labels_B).sum()])
        self.sums += self.team.summed(sums)

    def end_step(self, whole: int) -> None:
        """Moves the average after the weights, and the place on.

        Args:
            whole: windows of the batch over all processes.
        """
        if self.average is not None:
            self.average.update(self.model)
        self.place.step += 1
        self.place.batch += 1
        self.place.clips += whole

    def train_scores(self) -> tuple[float, float]:
        """Mean loss and accuracy of the epoch at work, as far as it has come; waits for the device.

        Raises:
            Diverged: the loss is NaN or infinite.
        """
        loss, accuracy = (self.sums / max(1, self.place.clips)).tolist()
        if not math.isfinite(loss):
            raise Diverged(f"The loss became {loss} in epoch {self.place.epoch + 1}, by batch {self.place.batch}")
        return loss, accuracy

    def close_epoch(self, score: EpochMetrics, candidate: BestEpoch) -> None:
        """Ends the epoch at work with its score.

        Raises:
            Diverged: the validation loss is NaN or infinite.
        """
        if not math.isfinite(score.val_loss):
            raise Diverged(f"The validation loss became {score.val_loss} in epoch {score.epoch}")
        place = self.place
        place.history.append(score)
        if candidate.beats(place.best):
            place.best = candidate
        place.epoch, place.batch, place.clips, place.seconds = score.epoch, 0, 0, 0.0
        self.sums.zero_()

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values."""
        cuda = self.precision.device.type == "cuda"
        optimiser = self.optimiser.state_dict()
        for group in optimiser["param_groups"]:
            group |= {"lr": self._rate, "capturable": False}  # as on every device: a run may go on on another kind
        return {
            "weights": self.model.state_dict(),
            "optimiser": optimiser,
            "average": None
            if self.average is None
            else {"weights": self.average.model.state_dict(), "updates": self.average.updates},
            "random": {
                "cpu": torch.get_rng_state(),
                "cuda": torch.cuda.get_rng_state(self.precision.device) if cuda else None,
                "augmentation": self.generator.get_state(),
            },
            "sums": self.sums,
            "place": asdict(self.place),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes back to a saved state.

        Raises:
            KeyError, RuntimeError, TypeError, ValueError: the state is of another network or another version.
        """
        self.model.load_state_dict(state["weights"])
        # How it computes is this device's affair. Told before, for it also decides where the counts of steps lie.
        own = {"fused": self.precision.fused, "capturable": self.graphed}
        groups = [group | own for group in state["optimiser"]["param_groups"]]
        self.optimiser.load_state_dict(state["optimiser"] | {"param_groups": groups})
        self._set_rate(groups[0]["lr"])
        if self.average is not None:
            self.average.model.load_state_dict(state["average"]["weights"])
            self.average.updates = state["average"]["updates"]
        self.sums.copy_(state["sums"])
        self.place = progress_from(state["place"])
        random = state["random"]
        torch.set_rng_state(random["cpu"])
        # A run may go on on another kind of device; then only the draws differ from an uninterrupted run's.
        if self.precision.device.type == "cuda" and random["cuda"] is not None:
            torch.cuda.set_rng_state(random["cuda"], self.precision.device)
        if random["augmentation"].shape == self.generator.get_state().shape:
            self.generator.set_state(random["augmentation"])


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    """The network's weights, without the memory format that they were trained in."""
    return {name: tensor.detach().contiguous() for name, tensor in model.state_dict().items()}


def copy_of(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return copy.deepcopy(weights)
