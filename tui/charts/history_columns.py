"""A run's history as columns for charts, grown with the run instead of made anew at every epoch."""

from collections.abc import Sequence

from core.runs.journal.state import EpochRow


class Columns:
    """Abscissas and ordinates in the order of the history; accuracies in percent."""

    def __init__(self) -> None:
        self.last: EpochRow | None = None
        self.epochs: list[float] = []
        self.steps: list[float] = []
        self.train_loss: list[float] = []
        self.val_loss: list[float] = []
        self.train_accuracy: list[float] = []
        self.val_accuracy: list[float] = []

    def take_in(self, history: Sequence[EpochRow]) -> None:
        """The columns of ``history``, which need not be a longer version of the one before."""
        known = len(self.epochs)
        if known > len(history) or (known and history[known - 1] != self.last):
            self.__init__()  # type: ignore[misc]
            known = 0
        for row in history[known:]:
            self.epochs.append(row.epoch)
            self.steps.append(row.step)
            self.train_loss.append(row.train_loss)
            self.val_loss.append(row.val_loss)
            self.train_accuracy.append(row.train_accuracy * 100)
            self.val_accuracy.append(row.val_accuracy * 100)
        self.last = history[-1] if history else None
