"""When the two files of weights are saved: a schedule that bounds both lost work and overhead."""

import time
from collections.abc import Callable

from torch import Tensor

from core.runs.folder import RunFolder
from core.runs.journal.events import CheckpointSaved, Event
from core.training.checkpoint import (
    BestEpoch,
    ModelCheckpoint,
    all_finite,
    read_model,
    write_model,
    write_training,
)
from core.training.errors import Diverged
from core.training.loop.calibration import calibrate
from core.training.loop.evaluation import Evaluation
from core.training.loop.train_state import TrainState, copy_of, weights_of
from core.training.run.write_guard import WriteGuard
from core.training.training_set import TrainingSet

OVERHEAD = 0.05
"""Share of the time that saving may take, apart from the saves at the end."""

BYTES_PER_SECOND = 500e6
"""Assumed speed of the disk until the first save has shown it."""

MID_EPOCH_SECONDS = 30.0
"""Shortest time between saves inside an epoch."""


class CheckpointManager:
    """Saves after an epoch, or in the middle of a long one, when the last save is long enough ago.

    best_model.pth is saved before last.pth, and never alone, so that the two agree: after a kill between the two
    writes, the run resumes from the older last.pth and reaches the newer best epoch again. Non-zero ranks save nothing.
    """

    def __init__(
        self,
        run: RunFolder,
        train_state: TrainState,
        genres: list[str],
        dataset: TrainingSet,
        emit: Callable[[Event], object],
        guard: WriteGuard,
    ) -> None:
        self._run = run
        self._train_state = train_state
        self._genres = genres
        self._dataset = dataset
        self._emit = emit
        self._guard = guard
        self._is_leader = train_state.group.info.is_leader
        self._unsaved: ModelCheckpoint | None = None
        """The model of the best epoch, while it is not on disk."""
        self._cost = 4 * sum(p.nbytes for p in train_state.model.parameters()) / BYTES_PER_SECOND
        self._saved_at = time.monotonic()

    def epoch_finished(self) -> None:
        """Saves if it is time, otherwise keeps a copy of the weights if they are the best so far."""
        progress = self._train_state.progress
        if progress.best is not None and progress.best.epoch == progress.epoch:
            weights = weights_of(self._train_state.eval_model)
            self._unsaved = self._model(weights if self._due() else copy_of(weights), progress.best)
        if self._due() and not self.save() and self._unsaved is not None:
            self._unsaved.weights = copy_of(self._unsaved.weights)  # training continues and would change them

    def batch_trained(self) -> None:
        if time.monotonic() - self._saved_at >= MID_EPOCH_SECONDS and self._due():
            self.save()

    def save(self, *, patiently: bool = False) -> bool:
        """Saves now; whether it succeeded. A full disk costs the run this checkpoint, and is tried again later.

        Args:
            patiently: wait for room on the disk, for the last save of a run.

        Raises:
            Diverged: a weight, or the epoch's loss, is NaN or infinite; the files are left as they are.
        """
        began = time.monotonic()
        progress = self._train_state.progress
        self._train_state.train_metrics()
        if not all_finite(self._train_state.model.state_dict()):
            raise Diverged(f"A weight became NaN or infinite in epoch {progress.epoch + 1}, by batch {progress.batch}")
        saved = self.save_best(patiently=patiently)
        if saved and self._is_leader:
            state = self._train_state.checkpoint()
            write = lambda: write_training(self._run.last_path, state)  # noqa: E731
            if saved := self._guard.attempt("last.pth", write, patiently=patiently):
                self._emit(CheckpointSaved(what="last", path=self._run.last_path.name, epoch=progress.epoch))
        elif not saved and patiently:
            self._guard.lost.append("last.pth")
        self._saved_at = time.monotonic()
        self._cost = self._saved_at - began
        return saved

    def save_best(self, *, patiently: bool = True) -> bool:
        """Saves the model of the best epoch unless it is on disk; whether it is there now."""
        if self._unsaved is None or not self._is_leader:
            return True
        model = self._unsaved
        write = lambda: write_model(self._run.best_model_path, model)  # noqa: E731
        if not self._guard.attempt("best_model.pth", write, patiently=patiently):
            return False
        self._unsaved = None
        name = self._run.best_model_path.name
        self._emit(CheckpointSaved(what="best", path=name, epoch=model.epoch, val_accuracy=model.val_accuracy))
        return True

    def save_unfinished(self, validation: Evaluation) -> None:
        """Makes the current weights the best model, as of epoch 0: for a run that is stopped in its first epoch."""
        candidate = BestEpoch(0, validation.accuracy, validation.loss, calibrate(validation))
        self._unsaved = self._model(weights_of(self._train_state.eval_model), candidate)
        self.save_best()

    def best_model(self) -> ModelCheckpoint:
        """The model of the best epoch, from memory where the disk did not take it."""
        return self._unsaved or read_model(self._run.best_model_path)

    def _model(self, weights: dict[str, Tensor], best: BestEpoch) -> ModelCheckpoint:
        return ModelCheckpoint(
            weights=weights,
            recipe=self._train_state.recipe,
            genres=self._genres,
            calibration=dict(best.calibration),
            epoch=best.epoch,
            val_accuracy=best.val_accuracy,
            dataset=self._dataset,
        )

    def _due(self) -> bool:
        return self._is_leader and time.monotonic() - self._saved_at >= self._cost / OVERHEAD
