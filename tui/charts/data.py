"""What charts show: named lines, and a run's loss and accuracy over epochs or steps as such lines."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from core.runs.journal.series import Series
from core.runs.journal.state import EpochRow, RunState
from tui.charts.ticks import Bounds


@dataclass(frozen=True)
class Line:
    """A named line. ``xs`` ascends; a NaN or infinite y is a gap."""

    name: str
    tag: int
    xs: Sequence[float]
    ys: Sequence[float]
    ascii_marker: str = "*"
    """Character of the line in ASCII, where there is no braille."""
    dashed: bool = False
    """Distinguishes it without colour."""
    sign: str = ""
    """Character put on the line, at most every ``sign_every`` columns, to distinguish it among several."""
    sign_every: int = 14
    spread: tuple[Sequence[float], Sequence[float]] | None = None
    """For each x the lowest and highest of the values averaged into y."""

    def nearest(self, x: float) -> int | None:
        """The index of the value closest to ``x``."""
        if not self.xs:
            return None
        right = bisect_left(self.xs, x)
        near = range(max(0, right - 1), min(len(self.xs), right + 1))
        return min(near, key=lambda i: abs(self.xs[i] - x))


@dataclass(frozen=True)
class Marker:
    """A point with a star."""

    x: float
    y: float
    tag: int


@dataclass(frozen=True)
class ChartData:
    """The content of one chart."""

    title: str
    lines: Sequence[Line]
    bounds: Bounds = field(default_factory=Bounds)
    markers: Sequence[Marker] = ()


class HistoryColumns:
    """A run's history as columns for charts, extended as the run grows; accuracies in percent."""

    def __init__(self) -> None:
        self.last: EpochRow | None = None
        self.epochs: list[float] = []
        self.steps: list[float] = []
        self.train_loss: list[float] = []
        self.val_loss: list[float] = []
        self.train_accuracy: list[float] = []
        self.val_accuracy: list[float] = []

    def update(self, history: Sequence[EpochRow]) -> None:
        """Take over ``history``, which is usually, but not always, a longer version of the previous one."""
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
"""Tags; also the index of their colours in a palette's series, from 1."""


def loss_chart(state: RunState, columns: HistoryColumns, *, steps: bool = False) -> ChartData:
    """Training and validation loss. Over steps, training has every batch and validation the end of its epoch."""
    xs = columns.steps if steps else columns.epochs
    train = _steps(state.step_loss) if steps else _train(xs, columns.train_loss)
    return ChartData("Loss", (train, _val(xs, columns.val_loss)), Bounds(low=0.0))


def accuracy_chart(state: RunState, columns: HistoryColumns, *, steps: bool = False) -> ChartData:
    """Training and validation accuracy in percent; the best epoch has a star."""
    xs = columns.steps if steps else columns.epochs
    train = _steps(state.step_accuracy, 100.0) if steps else _train(xs, columns.train_accuracy)
    best = state.best
    markers = () if best is None else (Marker(best.step if steps else best.epoch, best.val_accuracy * 100, VAL),)
    return ChartData("Accuracy", (train, _val(xs, columns.val_accuracy)), Bounds(0.0, 100.0), markers)


def _train(xs: Sequence[float], ys: Sequence[float]) -> Line:
    return Line("train", TRAIN, xs, ys, ascii_marker="*")


def _val(xs: Sequence[float], ys: Sequence[float]) -> Line:
    """Dashes, and another character in ASCII, distinguish it without colour."""
    return Line("val", VAL, xs, ys, ascii_marker="o", dashed=True)


def _steps(series: Series, scale: float = 1.0) -> Line:
    points = series.points
    line = _train([point.step for point in points], [point.mean * scale for point in points])
    if all(point.low == point.high for point in points):
        return line
    spread = ([point.low * scale for point in points], [point.high * scale for point in points])
    return replace(line, spread=spread)
