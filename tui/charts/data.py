"""What charts show: named lines, and a run's loss and accuracy over epochs or steps as such lines."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import inf

from core.runs.journal.series import Series
from core.runs.journal.state import EpochRow, RunState


@dataclass(frozen=True)
class Line:
    """A named line. ``xs`` ascends; a NaN or infinite value is a gap."""

    name: str
    tag: int
    xs: Sequence[float]
    ys: Sequence[float]
    ascii_marker: str = "*"
    """What draws the line where braille cannot be had."""
    sign: str = ""
    """A character set on values of the line, at most every ``sign_every`` columns, to tell it from others."""
    sign_every: int = 4
    spread: tuple[Sequence[float], Sequence[float]] | None = None
    """For each x the lowest and highest of the values that y is the mean of."""

    def nearest(self, x: float) -> int | None:
        """The index of the value closest to ``x``."""
        if not self.xs:
            return None
        right = bisect_left(self.xs, x)
        near = range(max(0, right - 1), min(len(self.xs), right + 1))
        return min(near, key=lambda i: abs(self.xs[i] - x))


@dataclass(frozen=True)
class Bounds:
    """Limits of the vertical axis that the data never leave, such as 0 and 100%."""

    low: float = -inf
    high: float = inf


@dataclass(frozen=True)
class Marker:
    """A point that is pointed out."""

    x: float
    y: float
    tag: int


@dataclass(frozen=True)
class ChartData:
    """What a chart is about."""

    title: str
    lines: Sequence[Line]
    bounds: Bounds = field(default_factory=Bounds)
    stars: Sequence[Marker] = ()


class Columns:
    """Abscissas and ordinates in the order of the history; accuracies in percent."""

    def __init__(self) -> None:
        self.last: EpochRow | None = None
        self.epochs: list[float] = []
        self.steps: list[float] = []
        self.train_loss: list[float] = []
        self.val_loss: list[float] = []
        self.train_accuracy: list[float] = []
        self.val_accuracy: list[float] = []

    def take_in(self, history: Sequence[EpochRow]) -> None:
        """The columns of ``history``, which need not be a longer version of the one before."""
        known = len(self.epochs)
        if known > len(history) or (known and history[known - 1] != self.last):
            self.__init__()  # type: ignore[misc]
            known = 0
        for row in history[known:]:
            self.epochs.append(row.epoch)
            self.steps.append(row.step)
            self.train_loss.append(row.train_loss)
            self.val_loss.append(row.val_loss)
            self.train_accuracy.append(row.train_accuracy * 100)
            self.val_accuracy.append(row.val_accuracy * 100)
        self.last = history[-1] if history else None


TRAIN, VAL = 1, 2
"""Tags; also the places of their colours in a palette's series."""


def loss_subject(state: RunState, columns: Columns, *, steps: bool = False) -> ChartData:
    """Training and validation loss. Over steps, training is every batch's and validation stands at its epoch's end."""
    xs = columns.steps if steps else columns.epochs
    train = _steps(state.step_loss) if steps else _train(xs, columns.train_loss)
    return ChartData("Loss", (train, _val(xs, columns.val_loss)), Bounds(low=0.0))


def accuracy_subject(state: RunState, columns: Columns, *, steps: bool = False) -> ChartData:
    """Training and validation accuracy in percent, the best epoch with a star."""
    xs = columns.steps if steps else columns.epochs
    train = _steps(state.step_accuracy, 100.0) if steps else _train(xs, columns.train_accuracy)
    best = state.best
    stars = () if best is None else (Marker(best.step if steps else best.epoch, best.val_accuracy * 100, VAL),)
    return ChartData("Accuracy", (train, _val(xs, columns.val_accuracy)), Bounds(0.0, 100.0), stars)


def _train(xs: Sequence[float], ys: Sequence[float]) -> Line:
    return Line("train", TRAIN, xs, ys, ascii_marker="*")


def _val(xs: Sequence[float], ys: Sequence[float]) -> Line:
    """Dots on its line, and in ASCII another character: no colour is needed to tell it from the other."""
    return Line("val", VAL, xs, ys, ascii_marker="o", sign="•")


def _steps(series: Series, scale: float = 1.0) -> Line:
    points = series.points
    line = _train([point.step for point in points], [point.mean * scale for point in points])
    if all(point.low == point.high for point in points):
        return line
    spread = ([point.low * scale for point in points], [point.high * scale for point in points])
    return replace(line, spread=spread)
