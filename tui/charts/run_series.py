"""The curves of a run: its loss and its accuracy, over epochs or over steps."""

from collections.abc import Sequence
from dataclasses import replace

from core.runs.journal.series import Series
from core.runs.journal.state import RunState
from tui.charts.history_columns import Columns
from tui.charts.render import Bounds, ChartData, Line, Marker

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
