"""When the two files of weights are written: often enough to lose little, seldom enough to cost little."""

import time
from collections.abc import Callable
from typing import Any

from torch import Tensor

from core.runs.folder import RunFolder
from core.runs.journal.events import CheckpointSaved, Event, Warned
from core.training.checkpoint import all_finite, save_best, save_last
from core.training.errors import Diverged
from core.training.loop.calibration import calibrate
from core.training.loop.evaluation import Evaluation
from core.training.loop.train_state import BestEpoch, TrainState, copy_of, weights_of

OVERHEAD = 0.05
"""Share of the time that saving may take, apart from the saves at the end."""

BYTES_PER_SECOND = 500e6
"""Speed of the disk that is reckoned with before the first save has shown it."""

MID_EPOCH_SECONDS = 30.0
"""Inside an epoch nothing is saved more often than this."""


class CheckpointManager:
    """Saves after an epoch, or in the middle of a long one, when the last save is long enough ago.

    Saving best_model.pth before last.pth, and never one alone, keeps them in agreement: after a kill between the two,
    the run goes on from the older last.pth and comes to the newer best again.
    """

    def __init__(
        self,
        run: RunFolder,
        train_state: TrainState,
        genres: list[str],
        dataset: dict[str, Any],
        emit: Callable[[Event], object],
    ) -> None:
        self._run = run
        self._init_state = train_state
        self._genres = genres
        self._dataset = dataset
        self._emit = emit
        self._unsaved: dict[str, Tensor] | None = None
        """The weights of the best epoch, while they are not on disk."""
        self._cost = 4 * sum(p.nbytes for p in train_state.model.parameters()) / BYTES_PER_SECOND
        self._saved_at = time.monotonic()

    def epoch_finished(self) -> None:
        """Saves if it is time, otherwise remembers the weights if they are the best."""
        place = self._init_state.place
        if place.best is not None and place.best.epoch == place.epoch:
            weights = weights_of(self._init_state.judged)
            self._unsaved = weights if self._due() else copy_of(weights)
        if self._due():
            self._try_to_save()

    def batch_trained(self) -> None:
        if time.monotonic() - self._saved_at >= MID_EPOCH_SECONDS and self._due():
            self._try_to_save()

    def save(self) -> None:
        """Saves now.

        Raises:
            Diverged: a weight, or the epoch's loss, is NaN or infinite; the files are left as they are.
            OSError, RuntimeError: the disk is full or gone.
        """
        began = time.monotonic()
        place = self._init_state.place
        self._init_state.train_scores()
        if not all_finite(self._init_state.model.state_dict()):
            raise Diverged(f"A weight became NaN or infinite in epoch {place.epoch + 1}, by batch {place.batch}")
        self.save_best()
        save_last(self._run.last_path, self._init_state.state_dict())
        self._emit(CheckpointSaved(what="last", path=self._run.last_path.name, epoch=place.epoch))
        self._saved_at = time.monotonic()
        self._cost = self._saved_at - began

    def save_best(self) -> None:
        """Writes the weights of the best epoch, unless they are on disk."""
        if self._unsaved is not None and self._init_state.place.best is not None:
            self._save_best(self._unsaved, self._init_state.place.best)
            self._unsaved = None

    def save_unfinished(self, validation: Evaluation) -> None:
        """Makes the present weights best_model.pth, as of epoch 0: for a run that is stopped in its first epoch."""
        candidate = BestEpoch(0, validation.accuracy, validation.loss, calibrate(validation))
        self._save_best(weights_of(self._init_state.judged), candidate)

    def _save_best(self, weights: dict[str, Tensor], best: BestEpoch) -> None:
        save_best(
            self._run.best_model_path,
            weights,
            recipe=self._init_state.recipe,
            genres=self._genres,
            calibration=best.calibration,
            epoch=best.epoch,
            val_accuracy=best.val_accuracy,
            dataset=self._dataset,
        )
        name = self._run.best_model_path.name
        self._emit(CheckpointSaved(what="best", path=name, epoch=best.epoch, val_accuracy=best.val_accuracy))

    def _due(self) -> bool:
        return time.monotonic() - self._saved_at >= self._cost / OVERHEAD

    def _try_to_save(self) -> None:
        """A full disk costs the run its checkpoints, not its life; it is tried again later."""
        try:
            self.save()
        except (OSError, RuntimeError) as error:
            self._saved_at = time.monotonic()
            self._emit(Warned(message=f"The checkpoint could not be saved and will be tried again: {error}"))
