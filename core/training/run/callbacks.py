"""The trainer's callbacks of the training loop: events, requests and checkpoints between batches."""

import time
from collections.abc import Callable

from torch import Tensor

from core.runs.journal.events import LARGEST_NUMBER, BatchProgress, EpochFinished, EpochStarted, Event
from core.training.checkpoint import EpochMetrics
from core.training.errors import StopRequested
from core.training.loop.evaluation import Evaluation
from core.training.loop.train import Callbacks
from core.training.loop.train_state import TrainState
from core.training.run.checkpointing import CheckpointManager
from core.training.run.control import ControlHandler
from core.training.run.pictures import Pictures

SHORTEST, LONGEST = 0.1, 1.0
"""Seconds between progress events: ten per second at first, later one, so that long journals stay small."""

SHARE = 1e-3
"""Interval between progress events as a share of the time since the start."""


class Throttle:
    """Limits the rate of progress events."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._last = -LONGEST

    def due(self) -> bool:
        """Whether an event is due; if so, the next interval begins."""
        now = self._clock()
        if now - self._last < min(LONGEST, max(SHORTEST, SHARE * (now - self._began))):
            return False
        self._last = now
        return True


class Timer:
    """Measures seconds without pauses."""

    def __init__(self, paused_seconds: Callable[[], float]) -> None:
        """Args:
        paused_seconds: returns the total time paused since the process started.
        """
        self._paused_seconds = paused_seconds
        self.start()

    def start(self, seconds: float = 0.0) -> None:
        """Restart at ``seconds``."""
        self._zero = time.perf_counter() - self._paused_seconds() - seconds

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._paused_seconds() - self._zero


def _storable(value: Tensor) -> float | None:
    """The number, or None if the journal cannot store it; synchronises."""
    number = float(value)
    return number if abs(number) < LARGEST_NUMBER else None


class TrainerCallbacks(Callbacks):
    """Reports progress, answers requests and saves checkpoints. Training and validation are timed separately.

    On non-zero ranks logger, control and checkpoints do nothing, and decisions of rank 0 are received.
    """

    def __init__(
        self,
        emit: Callable[[Event], object],
        control: ControlHandler,
        checkpoints: CheckpointManager,
        pictures: Pictures,
    ) -> None:
        self._emit = emit
        self._control = control
        self._checkpoints = checkpoints
        self._pictures = pictures
        self._throttle = Throttle()
        self._timer = Timer(lambda: control.paused_seconds)
        self._train_seconds = 0.0
        self._clips = 0

    def epoch_started(self, train_state: TrainState) -> None:
        self._emit(EpochStarted(epoch=train_state.progress.epoch + 1, batches=train_state.batches))
        self._synchronise(train_state, stop=False)
        self._timer.start(train_state.progress.seconds)

    def batch_trained(self, train_state: TrainState, loss: Tensor, clips: int) -> None:
        progress = train_state.progress
        progress.seconds = self._timer.seconds
        if self._throttle.due():
            _, accuracy = train_state.train_metrics()
            self._emit(
                BatchProgress(
                    epoch=progress.epoch + 1,
                    batch=progress.batch,
                    batches=train_state.batches,
                    step=progress.step,
                    loss=float(loss),
                    accuracy=accuracy,
                    learning_rate=train_state.last_learning_rate,
                    gradient_norm=_storable(train_state.gradient_norm),
                    clips_per_second=progress.clips / progress.seconds,
                )
            )
        self._checkpoints.batch_trained()
        self._check(train_state)

    def epoch_trained(self, train_state: TrainState) -> None:
        self._train_seconds, self._clips = self._timer.seconds, train_state.progress.clips
        train_state.progress.seconds = self._train_seconds
        self._timer.start()

    def batch_validated(self, train_state: TrainState, batch: int, batches: int) -> None:
        if self._throttle.due():
            progress = train_state.progress
            self._emit(
                BatchProgress(
                    epoch=progress.epoch + 1, batch=batch, batches=batches, step=progress.step, phase="validate"
                )
            )
        self._check(train_state)

    def epoch_finished(self, train_state: TrainState, metrics: EpochMetrics, validation: Evaluation | None) -> None:
        assert validation is not None, "a run always has validation clips"
        best = train_state.progress.best
        self._emit(
            EpochFinished(
                epoch=metrics.epoch,
                train_loss=metrics.train_loss,
                train_accuracy=metrics.train_accuracy,
                val_loss=metrics.val_loss,
                val_accuracy=metrics.val_accuracy,
                learning_rate=metrics.learning_rate,
                train_seconds=self._train_seconds,
                val_seconds=self._timer.seconds,
                clips_per_second=self._clips / self._train_seconds,
                is_best=best is not None and best.epoch == metrics.epoch,
                gradient_norm=_storable(train_state.gradient_norm),
                genre_accuracy=validation.genre_accuracy,
                confusion=validation.confusion.tolist(),
            )
        )
        self._checkpoints.epoch_finished()
        if train_state.group.info.is_leader:
            self._pictures.begin()  # not earlier, so that the first epoch is fast
        self._control.look_next_time()  # requests from this epoch are answered early in the next

    def _check(self, train_state: TrainState) -> None:
        """Answer requests on rank 0, and carry them out on all ranks."""
        try:
            self._control.check(before_waiting=self._checkpoints.save)
        except StopRequested:
            self._synchronise(train_state, stop=True)
        else:
            self._synchronise(train_state, stop=False)

    def _synchronise(self, train_state: TrainState, *, stop: bool) -> None:
        """
        Raises:
            StopRequested: rank 0 was asked to stop.
        """
        stopped, train_state.progress.epochs = train_state.group.broadcast(int(stop), self._control.epochs)
        if stopped:
            raise StopRequested
