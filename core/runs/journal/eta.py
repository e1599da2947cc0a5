"""How long a run has worked and how long it will: without the warm-up, training and validation counted apart."""

from dataclasses import dataclass, field, replace
from statistics import median

from core.runs.journal import events as ev

EPOCHS = 16
"""Epochs looked back at."""

VALIDATION_SHARE = 1 / 24
"""Validation against training, for as long as none was seen: an eighth of the clips, forward without backward."""


@dataclass(slots=True)
class Timing:
    lived: float = 0.0
    """Seconds of the lives that are over."""
    born: float | None = None
    """When the present life, or stretch of it since a pause, began."""
    train: list[float] = field(default_factory=list)
    validate: list[float] = field(default_factory=list)
    """Seconds of the last epochs' two phases, without the first epoch of every life."""
    warm: bool = False
    """An epoch of this life is over."""
    warm_up: tuple[float, float] | None = None
    """The two phases of the first epoch (kernel choice, caches, first touch of memory): used until there is another."""
    phase: str = "train"
    batches: int = 0
    batch: int = 0
    first: tuple[int, float] | None = None
    """Batch and time of the phase's first report: what came before it was warm-up."""
    at: float = 0.0
    """When the last batch was reported."""

    def copy(self) -> "Timing":
        return replace(self, train=list(self.train), validate=list(self.validate))

    def run_started(self, time: float, last: float) -> None:
        """A life begins; one that ended without a word lasted until its last event."""
        if self.born is not None:
            self.lived += max(0.0, last - self.born)
        self.born, self.warm = time, False
        self.first, self.batch, self.batches = None, 0, 0

    def run_ended(self, time: float) -> None:
        if self.born is not None:
            self.lived += max(0.0, time - self.born)
            self.born = None

    def paused(self, time: float) -> None:
        """A pause is no work, so it ends a stretch of life."""
        self.run_ended(time)

    def resumed(self, time: float) -> None:
        """What the batch at work took before the pause is not known to the pace after it."""
        if self.born is None:
            self.born, self.at, self.first = time, time, None

    def seconds(self, now: float) -> float:
        return self.lived + (max(0.0, now - self.born) if self.born is not None else 0.0)

    def epoch_started(self, event: ev.EpochStarted) -> None:
        self.phase, self.batch, self.batches, self.first, self.at = "train", 0, event.batches, None, event.time

    def batch_reported(self, event: ev.BatchProgress) -> None:
        if self.first is None or event.phase != self.phase or event.batch < self.first[0]:
            self.first = (event.batch, event.time)
        self.phase, self.batch, self.batches, self.at = event.phase, event.batch, event.batches, event.time

    def epoch_finished(self, event: ev.EpochFinished) -> None:
        if self.warm:
            self.train = [*self.train, event.train_seconds][-EPOCHS:]
            self.validate = [*self.validate, event.val_seconds][-EPOCHS:]
        else:
            self.warm, self.warm_up = True, (event.train_seconds, event.val_seconds)
        self.phase, self.batch, self.batches, self.first, self.at = "done", 0, 0, None, event.time

    def left(self, epoch: int, epochs: int, now: float) -> float | None:
        """Seconds until the last of ``epochs`` is over; None before anything was measured."""
        if self.train:
            train, validate = median(self.train), median(self.validate)
        elif self.warm_up is not None:
            train, validate = self.warm_up
        elif (measured := self._measured()) is not None:
            train, validate = measured, measured * VALIDATION_SHARE
        else:
            return None
        left = max(0, epochs - epoch) * (train + validate)
        share = 1 - self.batch / self.batches if self.batches else 1.0
        if self.phase == "train":
            left += share * train + validate
        elif self.phase == "validate":
            left += share * validate
        return max(0.0, left - max(0.0, now - self.at))

    def _measured(self) -> float | None:
        """Seconds of the whole first epoch's training, from the pace between its first report and its last."""
        if self.phase != "train" or self.first is None or self.batch <= self.first[0]:
            return None
        return (self.at - self.first[1]) / (self.batch - self.first[0]) * self.batches
