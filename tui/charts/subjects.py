"""The curves of a run: its loss and its accuracy, over epochs or over steps."""

from dataclasses import replace

from core.runs.series import Series
from core.runs.state import RunState
from tui.charts.picture import Bounds, Line, Star, Subject

TRAIN, VAL = 1, 2
"""Tags; also the places of their colours in a palette's series."""


def loss_subject(state: RunState, *, steps: bool = False) -> Subject:
    """Training and validation loss. Over steps, training is every batch's and validation stands at its epoch's end."""
    rows = state.history
    train = _steps(state.step_loss) if steps else _line("train", TRAIN, [(r.epoch, r.train_loss) for r in rows])
    val = _line("val", VAL, [(r.step if steps else r.epoch, r.val_loss) for r in rows])
    return Subject((train, val), Bounds(low=0.0))


def accuracy_subject(state: RunState, *, steps: bool = False) -> Subject:
    """Training and validation accuracy in percent, the best epoch with a star."""
    rows = state.history
    if steps:
        train = _steps(state.step_accuracy, 100.0)
    else:
        train = _line("train", TRAIN, [(row.epoch, row.train_accuracy * 100) for row in rows])
    val = _line("val", VAL, [(row.step if steps else row.epoch, row.val_accuracy * 100) for row in rows])
    best = state.best
    stars = () if best is None else (Star(best.step if steps else best.epoch, best.val_accuracy * 100, VAL),)
    return Subject((train, val), Bounds(0.0, 100.0), stars)


def _line(name: str, tag: int, points: list[tuple[float, float]]) -> Line:
    """Validation has dots on its line, and in ASCII another character: no colour is needed to tell them apart."""
    ascii_marker, sign = ("*", "") if tag == TRAIN else ("o", "•")
    return Line(name, tag, [x for x, _ in points], [y for _, y in points], ascii_marker, sign)


def _steps(series: Series, scale: float = 1.0) -> Line:
    points = series.points
    line = _line("train", TRAIN, [(point.step, point.mean * scale) for point in points])
    if all(point.low == point.high for point in points):
        return line
    spread = ([point.low * scale for point in points], [point.high * scale for point in points])
    return replace(line, spread=spread)
