"""How long a run has worked and how much longer it will: without the warm-up, training and validation apart.

Only the trainer's own monotonic clock counts (`Event.elapsed`); where a viewer needs to know how much has
passed since the last event, it counts that itself (``age``).
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median

from core.runs.journal import events as ev
from core.runs.journal.journal import PIECE, JournalReader

EPOCHS = 16
"""Epochs looked back at."""

VALIDATION_SHARE = 1 / 24
"""Validation relative to training, until one was seen: an eighth of the clips, forward without backward."""


@dataclass(slots=True)
class Timing:
    worked: float = 0.0
    """Seconds of the stretches of work that are over: lives of the trainer, or their parts between pauses."""
    since: float | None = None
    """When the present stretch began, on the clock of `clock_of`."""
    last: float = 0.0
    """When the last event was written, on the same clock."""
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

    def add(self, event: ev.Event) -> None:
        """Takes in the next event of the journal, of whatever kind."""
        now = clock_of(event)
        if event.elapsed is not None and now < self.last:
            self._stop(self.last)  # another process writes now; the former one died
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
                # What the current batch took before the pause is unknown to the pace after it. A stop ends a pause
                # too: test and report are work.
                self.since, self.at, self.first = now, now, None
            case ev.RunFinished() | ev.RunStopped() | ev.RunFailed():
                self._stop(now)
            case _:
                pass
        self.last = now

    def seconds(self, age: float = 0.0) -> float:
        """How long the run has worked, ``age`` seconds after the last event; a pause is not work."""
        return self.worked + (max(0.0, self.last + age - self.since) if self.since is not None else 0.0)

    def left(self, epoch: int, epochs: int, age: float) -> float | None:
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
        """Seconds of the whole first epoch's training, from the pace between its first report and its last."""
        if self.phase != "train" or self.first is None or self.batch <= self.first[0]:
            return None
        return (self.at - self.first[1]) / (self.batch - self.first[0]) * self.batches


_TIMED = frozenset({"run_started", "request_answered", "run_finished", "run_stopped", "run_failed"})


def read_timing(path: Path) -> Timing:
    """The time that a run has worked so far; nothing else of the result is filled in."""
    timing, reader = Timing(), JournalReader(path, skip=ev.KINDS - _TIMED)
    while events := reader.read(PIECE):
        for event in events:
            timing.add(event)
    return timing


def clock_of(event: ev.Event) -> float:
    """The trainer's clock when the event was written: its own, or the wall clock in journals without that."""
    return event.time if event.elapsed is None else event.elapsed
