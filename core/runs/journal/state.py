"""What is known about a run: ``RunState = reduce(RunState.empty(), events)``, see `core.runs.journal.reducer`.

Screens and commands show nothing that is not in a `RunState`. Its size is bounded however long a run is, apart from
one small row per epoch. Treat it as read-only: reducing makes a new one.

What is not in the journal (the run's name, whether its trainer lives, when the viewer last saw a sign of life) is
filled in by `core.runs.folder.RunReader`.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from core.runs.journal import events as ev
from core.runs.journal.history import EpochRow, History, Series
from core.runs.journal.log_lines import LogLine
from core.runs.journal.timing import Timing

PER_BATCH = ("loss", "accuracy", "learning_rate", "gradient_norm", "clips_per_second")
"""Fields of `events.BatchProgress` that a state keeps over the steps of training."""
PER_SAMPLE = ("cpu_percent", "rss", "gpu_percent", "gpu_memory_used")
"""The same of `events.DeviceSample`."""
LOG_LINES = 1000
ANSWERS = 64

Status = Literal["created", "queued", "running", "paused", "finished", "stopped", "failed", "lost"]
Phase = Literal["starting", "queued", "scanning", "features", "training", "validating", "testing", "reporting", "ended"]
End = Literal["finished", "stopped", "failed"]


class Validation(msgspec.Struct, frozen=True):
    """The last validation, genre by genre, in the order of ``RunState.genres``."""

    epoch: int
    genre_accuracy: list[float | None]
    confusion: list[list[int]]
    """Rows: truth; columns: prediction."""


@dataclass(slots=True)
class RunState:
    name: str = ""
    """The folder's name; empty until a `RunReader` fills it in."""
    alive: bool | None = None
    """Whether a trainer holds the run's lock; None when the lock has not been checked."""
    launched: float | None = None
    """When the lock was last taken, Unix seconds."""
    observed: float | None = None
    """When the viewer last saw the run change, on the viewer's own ``time.monotonic``; None without a viewer."""
    elsewhere: bool = False
    """The trainer runs on another host, whose locks this one does not see: its heartbeat says that it lives."""

    # What was asked, and where it runs
    recipe: dict[str, Any] = field(default_factory=dict)
    model: str = ""
    dataset: str = ""
    device: str = ""
    device_name: str = ""
    host: str = ""
    pid: int | None = None
    epochs: int = 0
    """Epochs asked for, extensions included."""
    parameters: int | None = None
    input_shape: list[int] = field(default_factory=list)
    precision: str = ""
    """What the network computes in; empty until it is built."""

    # The dataset
    genres: list[str] = field(default_factory=list)
    clips: dict[str, int] = field(default_factory=dict)
    """Genre → usable clips."""
    parts: dict[str, int] = field(default_factory=dict)
    """train, valid, test → clips."""
    hours: float = 0.0
    excluded: list[ev.ExcludedClip] = field(default_factory=list)
    """At most `events.MOST_EXCLUDED` files that were left out."""
    more_excluded: dict[str, int] = field(default_factory=dict)
    """Reason → number of further files that were left out."""
    features: ev.FeaturesProgress | None = None
    """``done`` of ``total`` spectrograms, ``cached`` of them from the store."""

    # Training
    phase: Phase = "starting"
    place: int = 0
    """In the queue for the device, 1 for the next; 0 for a run that is not queued."""
    paused: bool = False
    stopping: bool = False
    """A stop was accepted and the run has not ended yet."""
    resumed_from: int | None = None
    epoch: int = 0
    """The epoch at work, from 1; 0 before the first."""
    batch: int = 0
    batches: int = 0
    """Batch at work and batches of the epoch's present phase (training or validation)."""
    step: int = 0
    """Training batches since the start of the run."""
    learning_rate: float | None = None
    clips_per_second: float = 0.0
    history: History = field(default_factory=History)
    """An epoch that was trained again replaces its former row."""
    best: EpochRow | None = None
    """The row whose weights are best_model.pth; mark it where ``row.epoch == state.best.epoch``."""
    validation: Validation | None = None
    series: dict[str, Series] = field(default_factory=lambda: {name: Series() for name in (*PER_BATCH, *PER_SAMPLE)})
    """Field of `PER_BATCH` or `PER_SAMPLE` → values over ``step``, at most `series.CAPACITY` points each."""

    # What came of it
    test: ev.TestFinished | None = None
    artefacts: dict[str, ev.ArtefactSaved] = field(default_factory=dict)
    """By path, relative to the run folder."""
    checkpoints: dict[str, ev.CheckpointSaved] = field(default_factory=dict)
    """``best`` and ``last``, the newest of each."""
    end: End | None = None
    end_message: str = ""
    """Why it stopped, what it says at the end, or the error in one line."""
    failure: ev.RunFailed | None = None
    """With ``error`` and ``traceback``."""

    # Around it
    device_sample: ev.DeviceSample | None = None
    log: list[LogLine] = field(default_factory=list)
    """The last `LOG_LINES` lines: (time, level, text)."""
    log_dropped: int = 0
    """Lines that were dropped from the head of ``log``."""
    warnings: int = 0
    answers: dict[str, ev.RequestAnswered] = field(default_factory=dict)
    """The last `ANSWERS` answered requests by id."""
    newer: bool = False
    """Some events come from a newer version than this one."""
    damaged: int = 0
    """Lines of the journal that are not events, and events that contradict others: none of them counts."""

    # Times
    seq: int = -1
    """Sequence number of the last event taken in."""
    started: float | None = None
    """When the run first started, Unix seconds."""
    time: float = 0.0
    """When the last event was written."""
    timing: Timing = field(default_factory=Timing)

    @classmethod
    def empty(cls) -> "RunState":
        return cls()

    @property
    def status(self) -> Status:
        """queued, running, paused, finished, stopped, failed, lost, or created (never launched).

        Where the lock has not been checked (``alive`` is None), a run without a last event counts as running.
        """
        if self.end is not None and not self._launched_again:
            return self.end
        if self.alive or (self.alive is None and self.seq >= 0):
            if self.phase == "queued" and not self._launched_again:
                return "queued"
            return "paused" if self.paused and self.end is None else "running"
        if self.alive is False and (self.seq >= 0 or self.launched is not None):
            return "lost"
        return "created"

    @property
    def epochs_done(self) -> int:
        return self.history[-1].epoch if self.history else 0

    def seconds(self, now: float) -> float:
        """How long the run has worked, over all its lives and without pauses.

        Args:
            now: the viewer's ``time.monotonic``, here and below; any number for a run that has ended.
        """
        return self.timing.seconds(self._age(now))

    def eta_seconds(self, now: float) -> float | None:
        """Time left in training, without the warm-up, train and validation counted apart; None while unknown."""
        if self.status != "running" or self.phase not in ("training", "validating"):
            return None
        return self.timing.left(self.epoch, self.epochs, self._age(now))

    def silent_for(self, now: float) -> float:
        """Seconds for which the viewer has seen no sign of life of a run that has not ended; 0 for one that has."""
        return 0.0 if self.end is not None else self._age(now)

    def _age(self, now: float) -> float:
        """Seconds since the viewer saw the last sign of life; 0 without a trainer or a viewer."""
        return max(0.0, now - self.observed) if self.alive and self.observed is not None else 0.0

    @property
    def _launched_again(self) -> bool:
        return bool(self.alive) and self.launched is not None and self.launched > self.time

    def as_dict(self, now: float = 0.0) -> dict[str, Any]:
        """Plain values for ``show --json``. NaN becomes None.

        Args:
            now: the viewer's ``time.monotonic``; by default as of the last sign of life.
        """
        return {
            "name": self.name,
            "state": self.status,
            "phase": self.phase,
            "place": self.place or None,
            "recipe": self.recipe,
            "model": self.model,
            "parameters": self.parameters,
            "precision": self.precision,
            "dataset": self.dataset,
            "device": self.device,
            "device_name": self.device_name,
            "host": self.host,
            "pid": self.pid,
            "genres": self.genres,
            "clips": self.clips,
            "parts": self.parts,
            "hours": self.hours,
            "excluded": _plain(self.excluded),
            "more_excluded": self.more_excluded,
            "epoch": self.epoch,
            "epochs": self.epochs,
            "epochs_done": self.epochs_done,
            "batch": self.batch,
            "batches": self.batches,
            "history": [_plain(row) for row in self.history],
            "best": _plain(self.best),
            "validation": _plain(self.validation),
            "test": None if self.test is None else _content(self.test),
            "artefacts": sorted(self.artefacts),
            "message": self.end_message,
            "traceback": None if self.failure is None else self.failure.traceback,
            "device_sample": None if self.device_sample is None else _content(self.device_sample),
            "clips_per_second": self.clips_per_second,
            "warnings": self.warnings,
            "damaged": self.damaged,
            "started": self.started,
            "seconds": self.seconds(now),
            "eta_seconds": self.eta_seconds(now),
        }


def _plain(value: object) -> Any:
    """Plain values with NaN as None, which is what JSON can say."""
    return msgspec.json.decode(msgspec.json.encode(value))


def _content(event: ev.Event) -> dict[str, Any]:
    """An event's own fields."""
    fields: dict[str, Any] = _plain(event)
    return {name: value for name, value in fields.items() if name not in ("kind", "schema", "seq")}
