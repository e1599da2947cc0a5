"""Where a training is, and how it has gone so far: plain numbers."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class EpochScore:
    """One finished epoch, as the curves show it."""

    epoch: int
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    learning_rate: float


@dataclass(frozen=True)
class Best:
    """The epoch with the highest validation accuracy so far, the lower loss deciding between equals."""

    epoch: int
    val_accuracy: float
    val_loss: float
    calibration: dict[str, float]

    def beats(self, other: "Best | None") -> bool:
        return other is None or (self.val_accuracy, -self.val_loss) > (other.val_accuracy, -other.val_loss)


@dataclass
class Place:
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
    best: Best | None = None
    history: list[EpochScore] = field(default_factory=list)


def place_from(plain: dict[str, Any]) -> Place:
    """The place back from the plain values of a checkpoint."""
    best = None if plain["best"] is None else Best(**plain["best"])
    return Place(**plain | {"best": best, "history": [EpochScore(**row) for row in plain["history"]]})
