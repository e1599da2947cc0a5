"""What surrounds a training in a trainer: events, requests and checkpoints, between two batches."""

from collections.abc import Callable

from torch import Tensor

from core.runs.events import BatchProgress, EpochFinished, EpochStarted, Event
from core.training.errors import StopRequested
from core.training.evaluation import Evaluation
from core.training.learner import Learner
from core.training.pace import Pace, Stopwatch
from core.training.place import EpochScore
from core.training.requests import Requests
from core.training.saver import Saver


class Follower:
    """A `Listener` that tells, asks and saves. Training and validation are timed apart, pauses left out."""

    def __init__(self, emit: Callable[[Event], object], requests: Requests, saver: Saver) -> None:
        self._emit = emit
        self._requests = requests
        self._saver = saver
        self._pace = Pace()
        self._watch = Stopwatch(lambda: requests.paused_seconds)
        self._train_seconds = 0.0
        self._clips = 0

    def epoch_started(self, learner: Learner) -> None:
        self._emit(EpochStarted(epoch=learner.place.epoch + 1, batches=learner.batches))
        self._tell(learner, stop=False)
        self._watch.start(learner.place.seconds)

    def batch_trained(self, learner: Learner, loss: Tensor, clips: int) -> None:
        place = learner.place
        place.seconds = self._watch.seconds
        if self._pace.due():
            _, accuracy = learner.train_scores()
            self._emit(
                BatchProgress(
                    epoch=place.epoch + 1,
                    batch=place.batch,
                    batches=learner.batches,
                    step=place.step,
                    loss=float(loss),
                    accuracy=accuracy,
                    learning_rate=learner.rate_of_last_step,
                    clips_per_second=place.clips / place.seconds,
                )
            )
        self._saver.batch_trained()
        self._check(learner)

    def epoch_trained(self, learner: Learner) -> None:
        self._train_seconds, self._clips = self._watch.seconds, learner.place.clips
        learner.place.seconds = self._train_seconds
        self._watch.start()

    def batch_validated(self, learner: Learner, batch: int, batches: int) -> None:
        if self._pace.due():
            place = learner.place
            progress = BatchProgress(
                epoch=place.epoch + 1, batch=batch, batches=batches, step=place.step, phase="validate"
            )
            self._emit(progress)
        self._check(learner)

    def epoch_finished(self, learner: Learner, score: EpochScore, validation: Evaluation) -> None:
        best = learner.place.best
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
        self._saver.epoch_finished()
        self._requests.look_next_time()  # what was asked in this epoch is answered before the next one is far on

    def _check(self, learner: Learner) -> None:
        """Answers requests, and tells the other processes of a team what comes of them."""
        try:
            self._requests.check(before_waiting=self._saver.save)
        except StopRequested:
            self._tell(learner, stop=True)
            raise
        self._tell(learner, stop=False)

    def _tell(self, learner: Learner, *, stop: bool) -> None:
        learner.place.epochs = self._requests.epochs
        learner.team.told(int(stop), learner.place.epochs)
