"""Working time of a run, and an estimate of the remaining time.

The estimate ignores the warm-up and treats training and validation separately. Times are by the trainer's monotonic
clock (`Event.elapsed`); viewers add the time since the last event (``age``).
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median

from core.runs.journal import events as ev
from core.runs.journal.journal import PIECE, JournalReader

EPOCHS = 16
"""Number of past epochs used for the estimate."""

VALIDATION_SHARE = 1 / 24
"""Time of validation relative to training before one was measured: an eighth of the clips, forward pass only."""


@dataclass(slots=True)
class Timing:
    worked: float = 0.0
    """Seconds of completed intervals of work: trainers, or their parts between pauses."""
    since: float | None = None
    """Start of the current interval, on the clock of `clock_of`."""
    last: float = 0.0
    """When the last event was written, on the same clock."""
    train: list[float] = field(default_factory=list)
    validate: list[float] = field(default_factory=list)
    """Seconds of both phases of the last epochs, without the first epoch of each trainer."""
    warm: bool = False
    """Whether this trainer has finished an epoch."""
    warm_up: tuple[float, float] | None = None
    """Seconds of both phases of the first epoch, which includes a warm-up: used until there is another."""
    phase: str = "train"
    batches: int = 0
    batch: int = 0
    first: tuple[int, float] | None = None
    """Batch and time of the phase's first report; everything before it is warm-up."""
    at: float = 0.0
    """Time of the last report."""

    def copy(self) -> "Timing":
        return replace(self, train=list(self.train), validate=list(self.validate))

    def add(self, event: ev.Event) -> None:
        """Add the next event of the journal."""
        now = clock_of(event)
        if event.elapsed is not None and now < self.last:
            self._stop(self.last)  # a new trainer; the former one died
        match event:
            case ev.RunStarted():
                self._stop(self.last)
                self.since, self.warm = now, False
                self.first, self.batch, self.batches = None, 0, 0
            case ev.EpochStarted():
                self.phase, self.batch, self.batches, self.first, self.at = "train", 0, event.batches, None, now
            case ev.BatchProgress():
                if self.first is None or event.phase != self.phase or event.batch < self.first[0]:
                    self.first = (event.batch, now)
                self.phase, self.batch, self.batches, self.at = event.phase, event.batch, event.batches, now
            case ev.EpochFinished():
                self._finish_epoch(event, now)
            case ev.RequestAnswered(accepted=True, request="pause"):
                self._stop(now)
            case ev.RequestAnswered(accepted=True, request="resume" | "stop") if self.since is None:
                # The time of the current batch before the pause is not counted. A stop also ends a pause, because
                # test and report are work.
                self.since, self.at, self.first = now, now, None
            case ev.RunFinished() | ev.RunStopped() | ev.RunFailed():
                self._stop(now)
            case _:
                pass
        self.last = now

    def seconds(self, age: float = 0.0) -> float:
        """Working time, ``age`` seconds after the last event; pauses do not count."""
        return self.worked + (max(0.0, self.last + age - self.since) if self.since is not None else 0.0)

    def left(self, epoch: int, epochs: int, age: float) -> float | None:
        """Estimated seconds until the end of the last of ``epochs``; None before anything was measured."""
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
        return max(0.0, left - max(0.0, self.last + age - self.at))

    def _stop(self, now: float) -> None:
        if self.since is not None:
            self.worked += max(0.0, now - self.since)
            self.since = None

    def _finish_epoch(self, event: ev.EpochFinished, now: float) -> None:
        if self.warm:
            self.train = [*self.train, event.train_seconds][-EPOCHS:]
            self.validate = [*self.validate, event.val_seconds][-EPOCHS:]
        else:
            self.warm, self.warm_up = True, (event.train_seconds, event.val_seconds)
        self.phase, self.batch, self.batches, self.first, self.at = "done", 0, 0, None, now

    def _measured(self) -> float | None:
        """Estimated seconds of training of the first epoch, from the rate between its first and last report."""
        if self.phase != "train" or self.first is None or self.batch <= self.first[0]:
            return None
        return (self.at - self.first[1]) / (self.batch - self.first[0]) * self.batches


_TIMED = frozenset({"run_started", "request_answered", "run_finished", "run_stopped", "run_failed"})


def read_timing(path: Path) -> Timing:
    """Read the working time of a run; only the events that it needs are decoded."""
    timing, reader = Timing(), JournalReader(path, skip=ev.KINDS - _TIMED)
    while events := reader.read(PIECE):
        for event in events:
            timing.add(event)
    return timing


def clock_of(event: ev.Event) -> float:
    """The trainer's monotonic clock when the event was written, or the wall clock in older journals."""
    return event.time if event.elapsed is None else event.elapsed
