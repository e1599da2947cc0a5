"""The events a trainer writes and its viewers read: the only contract between them.

Every event is a frozen msgspec struct, tagged by its ``kind``, that carries the schema version, a sequence number
without gaps, and the time it was written. The journal stores one event a line as JSON. Field meanings are part of the
contract: accuracies are fractions in [0, 1], times are Unix seconds, durations are seconds, memory is in bytes,
learning rates are per optimiser step. Epochs and batches count from 1.

A field may be added with a default and a kind may be added at any time; a field is never renamed or given another
meaning without raising ``SCHEMA``.
"""

from typing import Any, ClassVar, get_args

import msgspec

SCHEMA = 1


def _snake(name: str) -> str:
    """``EpochFinished`` → ``epoch_finished``."""
    return "".join("_" + c.lower() if c.isupper() else c for c in name).lstrip("_")


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag=_snake):
    """What all events share. ``seq`` and ``time`` are set by the journal when the event is written."""

    schema: int = SCHEMA
    seq: int = -1
    time: float = 0.0


class RunStarted(Event, frozen=True, kw_only=True):
    """The trainer has begun, or has begun again (``resumed_from`` names the last whole epoch it goes on from)."""

    recipe: dict[str, Any]
    device: str
    device_name: str
    dataset: str
    model: str
    epochs: int
    pid: int
    host: str
    resumed_from: int | None = None


class ExcludedClip(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was left out, and why."""

    path: str
    reason: str


class DatasetScanned(Event, frozen=True, kw_only=True):
    """The clips that were found. ``clips`` maps genre → number of usable clips; ``parts`` train/valid/test → clips."""

    genres: list[str]
    clips: dict[str, int]
    parts: dict[str, int]
    hours: float
    excluded: list[ExcludedClip] = []


class FeaturesProgress(Event, frozen=True, kw_only=True):
    """Spectrograms computed so far; ``cached`` of them came out of the feature store."""

    done: int
    total: int
    cached: int
    clips_per_second: float = 0.0


class ModelBuilt(Event, frozen=True, kw_only=True):
    """The network is on the device; training is about to begin."""

    model: str
    parameters: int
    input_shape: list[int]
    precision: str = ""
    """What the network really computes in: bfloat16 is done in float32 where the device has none."""


class EpochStarted(Event, frozen=True, kw_only=True):
    epoch: int
    batches: int


class BatchProgress(Event, frozen=True, kw_only=True):
    """At most ten a second. ``step`` counts batches since the start of training; ``loss`` is that batch's.

    ``phase`` is ``"train"`` or ``"validate"``; a validation has no loss a step that is worth drawing.
    """

    epoch: int
    batch: int
    batches: int
    step: int
    phase: str = "train"
    loss: float | None = None
    accuracy: float | None = None
    learning_rate: float | None = None
    clips_per_second: float = 0.0


class EpochFinished(Event, frozen=True, kw_only=True):
    """One row of the epoch table.

    ``genre_accuracy`` and ``confusion`` (rows: truth, columns: prediction) are of this epoch's validation, in the
    order of ``DatasetScanned.genres``. JSON has no NaN and no infinity: such a loss is stored, and read, as None.
    ``seconds`` is ``train_seconds + val_seconds``.
    """

    epoch: int
    train_loss: float | None
    train_accuracy: float | None
    val_loss: float | None
    val_accuracy: float | None
    learning_rate: float
    train_seconds: float
    val_seconds: float
    clips_per_second: float
    is_best: bool
    genre_accuracy: list[float | None] = []
    confusion: list[list[int]] = []

    @property
    def seconds(self) -> float:
        return self.train_seconds + self.val_seconds


class CheckpointSaved(Event, frozen=True, kw_only=True):
    """``what`` is ``"best"`` or ``"last"``; ``epoch`` is the last whole epoch it holds."""

    what: str
    path: str
    epoch: int
    val_accuracy: float | None = None


class DeviceSample(Event, frozen=True, kw_only=True):
    """About one a second while training. GPU fields are None where there is no GPU; memory is in bytes."""

    cpu_percent: float
    rss: int
    ram_used: int
    ram_total: int
    gpu_name: str | None = None
    gpu_percent: float | None = None
    gpu_memory_used: int | None = None
    gpu_memory_total: int | None = None
    gpu_power: float | None = None
    gpu_temperature: float | None = None


class Warned(Event, frozen=True, kw_only=True):
    message: str


class Misclassified(msgspec.Struct, frozen=True, kw_only=True):
    """A test clip that the best model got wrong."""

    path: str
    genre: str
    predicted: str
    probability: float


class TestFinished(Event, frozen=True, kw_only=True):
    """The best model on the test part. ``report`` is scikit-learn's: genre → precision, recall, f1-score, support."""

    __test__: ClassVar[bool] = False  # no test class, whatever pytest makes of the name

    loss: float
    accuracy: float
    macro_f1: float
    calibration_error: float | None
    report: dict[str, Any]
    report_text: str
    confusion: list[list[int]]
    genres: list[str]
    best_epoch: int
    misclassified: list[Misclassified] = []


class ArtefactSaved(Event, frozen=True, kw_only=True):
    """A file for people. ``path`` is relative to the run folder; ``count`` files lie under it where it is a folder."""

    path: str
    what: str
    count: int = 1


class RequestAnswered(Event, frozen=True, kw_only=True):
    """The trainer has read the control file. ``request`` is pause, resume, stop or extend; ``id`` is the asker's."""

    request: str
    id: str
    accepted: bool
    message: str
    epochs: int | None = None


class RunFinished(Event, frozen=True, kw_only=True):
    """All epochs (or early stopping) done, tested and reported."""

    seconds: float
    best_epoch: int
    best_val_accuracy: float
    message: str = ""


class RunStopped(Event, frozen=True, kw_only=True):
    """Ended on request, with checkpoint, evaluation and report."""

    seconds: float
    message: str


class RunFailed(Event, frozen=True, kw_only=True):
    error: str
    traceback: str


AnyEvent = (
    RunStarted
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
    """One line of the journal, newline included."""
    return msgspec.json.encode(event) + b"\n"


def decode(line: bytes) -> AnyEvent | None:
    """The event in one journal line, or None for a kind that this version does not know.

    Raises:
        msgspec.DecodeError: the line is no JSON, or a known kind with wrong fields.
    """
    try:
        return _decoder.decode(line)
    except msgspec.ValidationError:
        if _kind_decoder.decode(line).kind not in KINDS:
            return None
        raise
