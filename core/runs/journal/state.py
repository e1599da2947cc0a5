"""The state of a run: ``reduce(RunState.empty(), events)``; see `core.runs.journal.reducer`.

Screens and commands only show what is in a `RunState`. Its size is bounded except for one small row per epoch. Treat it
as read-only: reducing creates a new one.

`core.runs.folder.RunReader` adds what is not in the journal: the run's name, whether its trainer is alive, and when
the viewer last saw a change.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from core.runs.journal import events as ev
from core.runs.journal.history import EpochRow, History, Series
from core.runs.journal.log_lines import LogLine
from core.runs.journal.timing import Timing

PER_BATCH = ("loss", "accuracy", "learning_rate", "gradient_norm", "clips_per_second")
"""Fields of `events.BatchProgress` that are kept as series over training steps."""
PER_SAMPLE = ("cpu_percent", "rss", "gpu_percent", "gpu_memory_used")
"""Fields of `events.DeviceSample` that are kept as series."""
LOG_LINES = 1000
ANSWERS = 64

Status = Literal["created", "queued", "running", "paused", "finished", "stopped", "failed", "lost"]
Phase = Literal["starting", "queued", "scanning", "features", "training", "validating", "testing", "reporting", "ended"]
End = Literal["finished", "stopped", "failed"]


class Validation(msgspec.Struct, frozen=True):
    """The last validation by genre, in the order of ``RunState.genres``."""

    epoch: int
    genre_accuracy: list[float | None]
    confusion: list[list[int]]
    """Rows are true genres, columns are predictions."""


@dataclass(slots=True)
class RunState:
    name: str = ""
    """The folder's name; empty until a `RunReader` sets it."""
    alive: bool | None = None
    """Whether a trainer holds the run's lock; None if the lock has not been checked."""
    launched: float | None = None
    """When the lock was last taken, in Unix seconds."""
    observed: float | None = None
    """When the viewer last saw the run change, by the viewer's ``time.monotonic``; None without a viewer."""
    elsewhere: bool = False
    """Whether the trainer runs on another host whose locks are not visible here; its heartbeat shows that it lives."""

    # The recipe, and where it runs
    recipe: dict[str, Any] = field(default_factory=dict)
    model: str = ""
    dataset: str = ""
    device: str = ""
    device_name: str = ""
    host: str = ""
    pid: int | None = None
    epochs: int = 0
    """Requested epochs, including extensions."""
    parameters: int | None = None
    input_shape: list[int] = field(default_factory=list)
    precision: str = ""
    """Precision of the network; empty until it is built."""

    # The dataset
    genres: list[str] = field(default_factory=list)
    clips: dict[str, int] = field(default_factory=dict)
    """Genre → number of usable clips."""
    parts: dict[str, int] = field(default_factory=dict)
    """train, valid, test → number of clips."""
    hours: float = 0.0
    excluded: list[ev.ExcludedClip] = field(default_factory=list)
    """Excluded files, at most `events.MOST_EXCLUDED`."""
    more_excluded: dict[str, int] = field(default_factory=dict)
    """Reason → number of further excluded files."""
    features: ev.FeaturesProgress | None = None
    """``done`` of ``total`` spectrograms, ``cached`` of them from the store."""

    # Training
    phase: Phase = "starting"
    place: int = 0
    """Place in the queue for the device; 1 is next, 0 means not queued."""
    paused: bool = False
    stopping: bool = False
    """Whether a stop was accepted and the run has not ended yet."""
    resumed_from: int | None = None
    epoch: int = 0
    """The current epoch, from 1; 0 before the first."""
    batch: int = 0
    batches: int = 0
    """Current batch and number of batches of the epoch's current phase (training or validation)."""
    step: int = 0
    """Training batches since the start of the run."""
    learning_rate: float | None = None
    clips_per_second: float = 0.0
    history: History = field(default_factory=History)
    """An epoch that was trained again replaces its former row."""
    best: EpochRow | None = None
    """The row whose weights are in best_model.pth."""
    validation: Validation | None = None
    series: dict[str, Series] = field(default_factory=lambda: {name: Series() for name in (*PER_BATCH, *PER_SAMPLE)})
    """Field of `PER_BATCH` or `PER_SAMPLE` → values over ``step``."""

    # Results
    test: ev.TestFinished | None = None
    artefacts: dict[str, ev.ArtefactSaved] = field(default_factory=dict)
    """Artefacts by path relative to the run folder."""
    checkpoints: dict[str, ev.CheckpointSaved] = field(default_factory=dict)
    """The newest of ``best`` and ``last``."""
    end: End | None = None
    end_message: str = ""
    """Why it stopped, a message at the end, or the error in one line."""
    failure: ev.RunFailed | None = None
    """The failure, with ``error`` and ``traceback``."""

    # Log and requests
    device_sample: ev.DeviceSample | None = None
    log: list[LogLine] = field(default_factory=list)
    """The last `LOG_LINES` lines with time, level and text."""
    log_dropped: int = 0
    """Number of lines dropped from the beginning of ``log``."""
    warnings: int = 0
    answers: dict[str, ev.RequestAnswered] = field(default_factory=dict)
    """The last `ANSWERS` answered requests by id."""
    newer: bool = False
    """Whether some events are from a newer version of the program."""
    damaged: int = 0
    """Number of lines that are not events and of events that contradict others; they are ignored."""

    # Times
    seq: int = -1
    """Sequence number of the last event."""
    started: float | None = None
    """When the run first started, in Unix seconds."""
    time: float = 0.0
    """When the last event was written."""
    timing: Timing = field(default_factory=Timing)

    @classmethod
    def empty(cls) -> "RunState":
        return cls()

    @property
    def status(self) -> Status:
        """queued, running, paused, finished, stopped, failed, lost, or created (not yet launched).

        If the lock has not been checked (``alive`` is None), a run without a last event counts as running.
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
        """Working time of the run over all trainers, without pauses.

        Args:
            now: the viewer's ``time.monotonic``; it is ignored for a run that has ended.
        """
        return self.timing.seconds(self._age(now))

    def eta_seconds(self, now: float) -> float | None:
        """Estimated remaining seconds of training; None while unknown."""
        if self.status != "running" or self.phase not in ("training", "validating"):
            return None
        return self.timing.left(self.epoch, self.epochs, self._age(now))

    def silent_for(self, now: float) -> float:
        """Seconds since the viewer saw a change; 0 for a run that has ended."""
        return 0.0 if self.end is not None else self._age(now)

    def _age(self, now: float) -> float:
        """Seconds since the viewer saw a change; 0 without a trainer or a viewer."""
        return max(0.0, now - self.observed) if self.alive and self.observed is not None else 0.0

    @property
    def _launched_again(self) -> bool:
        return bool(self.alive) and self.launched is not None and self.launched > self.time

    def as_dict(self, now: float = 0.0) -> dict[str, Any]:
        """Plain values for ``show --json``. NaN becomes None.

        Args:
            now: the viewer's ``time.monotonic``; by default the time of the last change.
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
    """Plain values with NaN as None, for JSON."""
    return msgspec.json.decode(msgspec.json.encode(value))


def _content(event: ev.Event) -> dict[str, Any]:
    """The fields that are specific to the event's kind."""
    fields: dict[str, Any] = _plain(event)
    return {name: value for name, value in fields.items() if name not in ("kind", "schema", "seq")}
