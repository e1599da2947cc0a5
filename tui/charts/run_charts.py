"""The charts of a run, each declared once: what it shows over epochs and over steps, and how its values are written."""

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from core.runs.journal.state import RunState
from tui import formatting
from tui.charts.data import ChartData, Line, Marker
from tui.charts.ticks import Bounds

LETTERS = "ABCDEFGH"
"""A compared run's letter marks it in lists and charts; its colour has the same index in the palette's series."""
TRAIN, VAL = 1, 2
"""Tags; also the index of their colours in a palette's series, from 1."""
AFTER_AN_EPOCH = "Available after the first epoch."


@dataclass(frozen=True)
class Quantity:
    """One line of a chart."""

    epoch: str = ""
    """Field of `EpochRow`; without one the steps' values are drawn over epochs, too."""
    step: str = ""
    """Key of `RunState.series`; without one the epochs' values are drawn over steps, too."""
    name: str = ""
    tag: int = TRAIN


@dataclass(frozen=True)
class RunChart:
    title: str
    quantities: tuple[Quantity, ...]
    format: Callable[[float], str]
    bounds: Bounds = field(default_factory=lambda: Bounds(low=0.0))
    scale: float = 1.0
    """Factor from stored to shown values."""
    logarithmic: bool = True
    empty: str = AFTER_AN_EPOCH
    unit: str = ""
    """Appended to the labels of the vertical axis."""


def _percent(value: float) -> str:
    return formatting.percent(value / 100)


def _train_and_val(what: str) -> tuple[Quantity, Quantity]:
    return Quantity(f"train_{what}", what, "train", TRAIN), Quantity(f"val_{what}", "", "val", VAL)


LOSS = RunChart("Loss", _train_and_val("loss"), formatting.loss)
ACCURACY = RunChart(
    "Accuracy", _train_and_val("accuracy"), _percent, Bounds(0.0, 100.0), 100.0, logarithmic=False, unit="%"
)
CHARTS = (
    LOSS,
    ACCURACY,
    RunChart("Learning rate", (Quantity("learning_rate", "learning_rate"),), formatting.learning_rate),
    RunChart(
        "Gradient norm",
        (Quantity("gradient_norm", "gradient_norm"),),
        "{:.3g}".format,
        empty="The journal has no gradient norms.",
    ),
    RunChart("Clips per second", (Quantity("clips_per_second", "clips_per_second"),), "{:,.0f}".format),
    RunChart(
        "CPU",
        (Quantity(step="cpu_percent"),),
        "{:.0f}%".format,
        empty="The journal has no samples of the processor.",
        unit="%",
    ),
    RunChart(
        "GPU",
        (Quantity(step="gpu_percent"),),
        "{:.0f}%".format,
        Bounds(0.0, 100.0),
        empty="The journal has no samples of a GPU.",
        unit="%",
    ),
    RunChart(
        "GPU memory",
        (Quantity(step="gpu_memory_used"),),
        "{:.1f} GB".format,
        scale=1e-9,
        empty="The journal has no samples of a GPU.",
    ),
)
"""Shown two at a time."""


def run_chart(chart: RunChart, state: RunState, *, steps: bool) -> ChartData:
    """A chart of one run over epochs or steps; the best epoch has a star in the accuracy's."""
    lines = [quantity_line(chart, quantity, state, steps=steps) for quantity in chart.quantities]
    best = state.best if chart is ACCURACY else None
    markers = () if best is None else (Marker(best.step if steps else best.epoch, best.val_accuracy * 100, VAL),)
    return chart_data(chart, chart.title, lines, markers)


def newest_points(charts: Sequence[RunChart], state: RunState, *, steps: bool) -> list[object]:
    """The last point of every series that the charts draw: they change whenever the chart does."""
    drawn = (quantity for chart in charts for quantity in chart.quantities if steps or not quantity.epoch)
    return [state.series[quantity.step].points[-1:] for quantity in drawn if quantity.step]


def chart_data(chart: RunChart, title: str, lines: Sequence[Line], markers: Sequence[Marker] = ()) -> ChartData:
    return ChartData(title, lines, chart.bounds, markers, chart.format, chart.unit, chart.logarithmic, chart.empty)


def quantity_line(chart: RunChart, quantity: Quantity, state: RunState, *, steps: bool) -> Line:
    """One quantity of one run. Over steps, values that are only known per epoch are drawn at the ends of epochs."""
    xs: Sequence[float]
    ys: Sequence[float]
    spread = None
    if quantity.epoch and not (steps and quantity.step):
        xs, ys = state.history.column("step" if steps else "epoch"), state.history.column(quantity.epoch)
        if chart.scale != 1:
            ys = array("d", (y * chart.scale for y in ys))
    else:
        points = state.series[quantity.step].points
        # A value that is only known per step is drawn over epochs at the fraction of the run that its step is.
        last = state.history[-1] if state.history else None
        per_step = 1.0 if steps else last.epoch / last.step if last is not None and last.step else 0.0
        points = points if per_step else []
        xs, ys = [point.step * per_step for point in points], [point.mean * chart.scale for point in points]
        if any(point.low != point.high for point in points):
            spread = ([point.low * chart.scale for point in points], [point.high * chart.scale for point in points])
    dashed = quantity.tag == VAL  # distinguishes it without colour, as another character does in ASCII
    return Line(quantity.name, quantity.tag, xs, ys, "o" if dashed else "*", dashed=dashed, spread=spread)
