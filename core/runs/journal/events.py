"""The events that a trainer writes and viewers read: the only interface between them.

Every event is a frozen msgspec struct, tagged by its ``kind``, with the schema version, a sequence number without gaps,
and the time at which it was written. The journal stores one event per line as JSON. Accuracies are fractions in [0, 1],
times are Unix seconds, durations are seconds, memory is in bytes, and learning rates are per optimiser step. Epochs and
batches count from 1. Ranges are checked when an event is read, so that damaged lines are detected.

Kinds, and fields with defaults, may be added at any time. Renaming a field or changing its meaning requires a new
``SCHEMA``.
"""

from collections import Counter
from typing import Annotated, Any, ClassVar, get_args

import msgspec
from msgspec import Meta

SCHEMA = 1

Seconds = Annotated[float, Meta(ge=0, le=1e11)]
"""Seconds. As Unix times they reach the year 5138, which every calendar function supports."""
LARGEST_NUMBER = 1e30
Number = Annotated[float, Meta(ge=-LARGEST_NUMBER, le=LARGEST_NUMBER)]
Share = Annotated[float, Meta(ge=0, le=1.001)]
"""A fraction; float32 probabilities may be slightly above 1."""
Percent = Annotated[float, Meta(ge=0, le=1e6)]
"""Percent; a process on several cores may have more than 100."""
Count = Annotated[int, Meta(ge=0, le=10**15)]
"""A number of things, or of bytes."""
Steps = Annotated[int, Meta(ge=0, le=10**9)]
"""Epochs, batches and steps."""
Confusion = list[list[Count]]
"""Numbers of clips: rows are true genres, columns are predictions."""

MOST_EXCLUDED = 1000
"""Most excluded files that an event names; the others are counted by reason."""
MOST_REASONS = 20


def _snake(name: str) -> str:
    """``EpochFinished`` → ``epoch_finished``."""
    return "".join("_" + c.lower() if c.isupper() else c for c in name).lstrip("_")


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag=_snake):
    """Base of all events. ``seq``, ``time`` and ``elapsed`` are set by the journal when the event is written."""

    schema: int = SCHEMA
    seq: Annotated[int, Meta(ge=-1, le=10**12)] = -1
    time: Seconds = 0.0
    elapsed: Seconds | None = None
    """Seconds since the trainer process started, on a monotonic clock; None in older journals."""


class RunQueued(Event, frozen=True, kw_only=True):
    """The trainer waits until its devices are free. Written again when its place changes."""

    place: Count
    """Place in the queue; 1 is next."""
    devices: list[str]
    message: str = ""
    """What it waits for if not for another run."""
    pid: Count = 0
    host: str = ""


class RunStarted(Event, frozen=True, kw_only=True):
    """The trainer has started; ``resumed_from`` is the last complete epoch if it resumes from a checkpoint."""

    recipe: dict[str, Any]
    device: str
    device_name: str
    dataset: str
    model: str
    epochs: Steps
    pid: Count
    host: str
    resumed_from: Steps | None = None


class ExcludedClip(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was left out, and why."""

    path: str
    reason: str


class DatasetScanned(Event, frozen=True, kw_only=True):
    """The clips that were found. ``clips`` maps genre → number of usable clips; ``parts`` train/valid/test → clips.

    ``excluded`` names at most `MOST_EXCLUDED` files that were left out; ``more_excluded`` maps reason → number of
    further ones.
    """

    genres: list[str]
    clips: dict[str, Count]
    parts: dict[str, Count]
    hours: Seconds
    labels: str = ""
    """Where the genres come from, in words."""
    excluded: list[ExcludedClip] = []
    more_excluded: dict[str, Count] = {}

    def shortened(self) -> "DatasetScanned":
        """The same event with files beyond `MOST_EXCLUDED` counted by reason."""
        if len(self.excluded) <= MOST_EXCLUDED:
            return self
        reasons = Counter(clip.reason for clip in self.excluded[MOST_EXCLUDED:]) + Counter(self.more_excluded)
        counted = dict(reasons.most_common(MOST_REASONS))
        if others := reasons.total() - sum(counted.values()):
            counted["other reasons"] = counted.get("other reasons", 0) + others
        return msgspec.structs.replace(self, excluded=self.excluded[:MOST_EXCLUDED], more_excluded=counted)


class FeaturesProgress(Event, frozen=True, kw_only=True):
    """Spectrograms so far; ``cached`` of them are from the feature store."""

    done: Count
    total: Count
    cached: Count
    clips_per_second: Number = 0.0


class ModelBuilt(Event, frozen=True, kw_only=True):
    """The network is on the device; training is about to begin."""

    model: str
    parameters: Count
    input_shape: Annotated[list[Count], Meta(max_length=8)]
    precision: str = ""
    """Actual precision of the network: bfloat16 is replaced by float32 if the device does not support it."""


class EpochStarted(Event, frozen=True, kw_only=True):
    epoch: Steps
    batches: Steps


class BatchProgress(Event, frozen=True, kw_only=True):
    """At most ten per second. ``step`` counts batches since the start of training; ``loss`` is that batch's.

    ``phase`` is ``"train"`` or ``"validate"``; only training has a loss per step.
    """

    epoch: Steps
    batch: Steps
    batches: Steps
    step: Steps
    phase: str = "train"
    loss: Number | None = None
    accuracy: Share | None = None
    learning_rate: Number | None = None
    gradient_norm: Number | None = None
    """L2 norm of the gradient of all weights at this step."""
    clips_per_second: Number = 0.0


class EpochFinished(Event, frozen=True, kw_only=True):
    """The results of an epoch.

    ``genre_accuracy`` and ``confusion`` (rows: truth, columns: prediction) are of this epoch's validation, in the
    order of ``DatasetScanned.genres``. JSON has no NaN or infinity: such a loss is stored and read as None.
    ``seconds`` is ``train_seconds + val_seconds``. ``gradient_norm`` is that of the epoch's last step.
    """

    epoch: Annotated[int, Meta(ge=1, le=10**9)]
    train_loss: Number | None
    train_accuracy: Share | None
    val_loss: Number | None
    val_accuracy: Share | None
    learning_rate: Number
    train_seconds: Seconds
    val_seconds: Seconds
    clips_per_second: Number
    is_best: bool
    gradient_norm: Number | None = None
    genre_accuracy: list[Share | None] = []
    confusion: Confusion = []

    @property
    def seconds(self) -> float:
        return self.train_seconds + self.val_seconds


class CheckpointSaved(Event, frozen=True, kw_only=True):
    """``what`` is ``"best"`` or ``"last"``; ``epoch`` is the last complete epoch it holds."""

    what: str
    path: str
    epoch: Steps
    val_accuracy: Share | None = None


class DeviceSample(Event, frozen=True, kw_only=True):
    """Written about once per second while training. GPU fields are None without a GPU; memory is in bytes."""

    cpu_percent: Percent
    rss: Count
    ram_used: Count
    ram_total: Count
    gpu_name: str | None = None
    gpu_percent: Percent | None = None
    gpu_memory_used: Count | None = None
    gpu_memory_total: Count | None = None
    gpu_power: Number | None = None
    gpu_temperature: Number | None = None


class Warned(Event, frozen=True, kw_only=True):
    message: str


class Misclassified(msgspec.Struct, frozen=True, kw_only=True):
    """A test clip that the best model misclassified."""

    path: str
    genre: str
    predicted: str
    probability: Share


class TestFinished(Event, frozen=True, kw_only=True):
    """The best model on the test part. ``report`` is scikit-learn's: genre → precision, recall, f1-score, support."""

    __test__: ClassVar[bool] = False  # not a test class for pytest

    loss: Number
    accuracy: Share
    macro_f1: Share
    calibration_error: Share | None
    report: dict[str, Number | dict[str, Number]]
    report_text: str
    confusion: Confusion
    genres: list[str]
    best_epoch: Steps
    misclassified: list[Misclassified] = []
    notes: list[str] = []
    """Additional lines of the report: the baseline, and settings chosen on the training clips."""


class ArtefactSaved(Event, frozen=True, kw_only=True):
    """A file was written. ``path`` is relative to the run folder; if it is a folder, it holds ``count`` files."""

    path: str
    what: str
    count: Count = 1


class RequestAnswered(Event, frozen=True, kw_only=True):
    """The answer to a request. ``request`` is pause, resume, stop or extend; ``id`` is that of the request."""

    request: str
    id: str
    accepted: bool
    message: str
    epochs: Steps | None = None


class RunFinished(Event, frozen=True, kw_only=True):
    """Training is complete or ended early, and the model was tested.

    ``seconds`` of this event and the next is the total working time over all trainers and without pauses; in older
    journals, that of the last trainer.

    ``phases`` of both is the time of each phase of the last trainer, in order (see `core.training.run.phases.Phase`),
    and ``background`` that of background threads. Older journals have neither.
    """

    seconds: Seconds
    best_epoch: Steps
    best_val_accuracy: Share
    message: str = ""
    phases: dict[str, Seconds] = {}
    background: dict[str, Seconds] = {}


class RunStopped(Event, frozen=True, kw_only=True):
    """Ended on request, with checkpoint, evaluation and report."""

    seconds: Seconds
    message: str
    phases: dict[str, Seconds] = {}
    background: dict[str, Seconds] = {}


class RunFailed(Event, frozen=True, kw_only=True):
    error: str
    traceback: str
    diverged: bool = False
    """The loss or a weight became NaN or infinite."""


AnyEvent = (
    RunQueued
    | RunStarted
    | DatasetScanned
    | FeaturesProgress
    | ModelBuilt
    | EpochStarted
    | BatchProgress
    | EpochFinished
    | CheckpointSaved
    | DeviceSample
    | Warned
    | TestFinished
    | ArtefactSaved
    | RequestAnswered
    | RunFinished
    | RunStopped
    | RunFailed
)
KINDS: frozenset[str] = frozenset(_snake(struct.__name__) for struct in get_args(AnyEvent))


class _Kind(msgspec.Struct):
    kind: str


_decoder: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent)
_kind_decoder = msgspec.json.Decoder(_Kind)


def encode(event: Event) -> bytes:
    """Encode an event as a line of the journal, including the newline."""
    return msgspec.json.encode(event) + b"\n"


def decode(line: bytes) -> AnyEvent | None:
    """Decode a line of the journal; None for an unknown kind.

    Raises:
        msgspec.DecodeError: the line is not JSON, or has a known kind and invalid fields.
    """
    try:
        return _decoder.decode(line)
    except msgspec.ValidationError:
        if _kind_decoder.decode(line).kind not in KINDS:
            return None
        raise
