"""What surrounds a training in a trainer: events, requests and checkpoints, between two batches."""

import time
from collections.abc import Callable

from torch import Tensor

from core.runs.journal.events import BatchProgress, EpochFinished, EpochStarted, Event
from core.training.errors import StopRequested
from core.training.loop.evaluation import Evaluation
from core.training.loop.train_state import EpochMetrics, TrainState
from core.training.run.checkpointing import CheckpointManager
from core.training.run.control import ControlHandler

SHORTEST, LONGEST = 0.1, 1.0
"""Seconds between two reports: ten a second at first, later one a second, so that a week's journal stays small."""

SHARE = 1e-3
"""A report may come after this share of the time since the beginning."""


class Throttle:
    """Says when the next report of progress is due."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._told = -LONGEST

    def due(self) -> bool:
        """Whether it is time; a yes begins the next wait."""
        now = self._clock()
        if now - self._told < min(LONGEST, max(SHORTEST, SHARE * (now - self._began))):
            return False
        self._told = now
        return True


class Timer:
    """Seconds since it was started, without those that were spent waiting for people."""

    def __init__(self, waited: Callable[[], float]) -> None:
        """Args:
        waited: seconds that were spent waiting since the process began.
        """
        self._waited = waited
        self.start()

    def start(self, seconds: float = 0.0) -> None:
        """Begins anew, at ``seconds``."""
        self._zero = time.perf_counter() - self._waited() - seconds

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._waited() - self._zero


class TrainerCallbacks:
    """A `Callbacks` that tells, asks and saves. Training and validation are timed apart, pauses left out."""

    def __init__(
        self, emit: Callable[[Event], object], requests: ControlHandler, checkpoints: CheckpointManager
    ) -> None:
        self._emit = emit
        self._requests = requests
        self._checkpoints = checkpoints
        self._pace = Throttle()
        self._watch = Timer(lambda: requests.paused_seconds)
        self._train_seconds = 0.0
        self._clips = 0

    def epoch_started(self, train_state: TrainState) -> None:
        self._emit(EpochStarted(epoch=train_state.place.epoch + 1, batches=train_state.batches))
        self._tell(train_state, stop=False)
        self._watch.start(train_state.place.seconds)

    def batch_trained(self, train_state: TrainState, loss: Tensor, clips: int) -> None:
        place = train_state.place
        place.seconds = self._watch.seconds
        if self._pace.due():
            _, accuracy = train_state.train_scores()
            self._emit(
                BatchProgress(
                    epoch=place.epoch + 1,
                    batch=place.batch,
                    batches=train_state.batches,
                    step=place.step,
                    loss=float(loss),
                    accuracy=accuracy,
                    learning_rate=train_state.rate_of_last_step,
                    clips_per_second=place.clips / place.seconds,
                )
            )
        self._checkpoints.batch_trained()
        self._check(train_state)

    def epoch_trained(self, train_state: TrainState) -> None:
        self._train_seconds, self._clips = self._watch.seconds, train_state.place.clips
        train_state.place.seconds = self._train_seconds
        self._watch.start()

    def batch_validated(self, train_state: TrainState, batch: int, batches: int) -> None:
        if self._pace.due():
            place = train_state.place
            progress = BatchProgress(
                epoch=place.epoch + 1, batch=batch, batches=batches, step=place.step, phase="validate"
            )
            self._emit(progress)
        self._check(train_state)

    def epoch_finished(self, train_state: TrainState, score: EpochMetrics, validation: Evaluation) -> None:
        best = train_state.place.best
        self._emit(
            EpochFinished(
                epoch=score.epoch,
                train_loss=score.train_loss,
                train_accuracy=score.train_accuracy,
                val_loss=score.val_loss,
                val_accuracy=score.val_accuracy,
                learning_rate=score.learning_rate,
                train_seconds=self._train_seconds,
                val_seconds=self._watch.seconds,
                clips_per_second=self._clips / self._train_seconds,
                is_best=best is not None and best.epoch == score.epoch,
                genre_accuracy=validation.genre_accuracy,
                confusion=validation.confusion.tolist(),
            )
        )
        self._checkpoints.epoch_finished()
        self._requests.look_next_time()  # what was asked in this epoch is answered before the next one is far on

    def _check(self, train_state: TrainState) -> None:
        """Answers requests, and tells the other processes of a team what comes of them."""
        try:
            self._requests.check(before_waiting=self._checkpoints.save)
        except StopRequested:
            self._tell(train_state, stop=True)
            raise
        self._tell(train_state, stop=False)

    def _tell(self, train_state: TrainState, *, stop: bool) -> None:
        train_state.place.epochs = self._requests.epochs
        train_state.team.told(int(stop), train_state.place.epochs)
