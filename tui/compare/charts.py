"""The charts of the Compare screen: curves of several runs, and a scatter of one recipe field against one result."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import mean, stdev
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical

from core.runs.journal.history import History
from core.runs.journal.state import RunState
from core.runs.summary import but_for_the_seed, differences, flat, written
from tui import formatting
from tui.charts.chart import Chart
from tui.charts.curves import Curves, Option
from tui.charts.data import ChartData, Line, View
from tui.charts.run_charts import LETTERS, RunChart, chart_data, newest_points, quantity_line
from tui.charts.ticks import Bounds

_PART = {True: "Training", False: "Validation"}


def compared_chart(chart: RunChart, states: Sequence[RunState], *, train: bool, steps: bool) -> ChartData:
    """A chart of each run; of loss and accuracy either training's or validation's."""
    parted = len(chart.quantities) == 2
    quantity = chart.quantities[1 if parted and not train else 0]
    if parted:
        quantity = replace(quantity, step="")  # the steps of eight runs would cover each other
    title = f"{_PART[train]} {chart.title.lower()}" if parted else chart.title
    lines = [
        replace(
            quantity_line(chart, quantity, state, steps=steps),
            name=letter,
            tag=tag,
            ascii_marker=letter,
            sign=letter,
            dashed=False,
            spread=None,
        )
        for tag, (letter, state) in enumerate(zip(LETTERS, states, strict=False), start=1)
    ]
    return chart_data(chart, title, lines)


def of_one_recipe(states: Sequence[RunState]) -> list[list[int]]:
    """Indices of the runs, those of one recipe together, in the order of the first of each."""
    groups: dict[object, list[int]] = {}
    for index, state in enumerate(states):
        recipe = but_for_the_seed(flat(state.recipe))
        groups.setdefault((state.dataset, recipe) if recipe else index, []).append(index)
    return list(groups.values())


def with_bands(lines: Sequence[Line], groups: Sequence[Sequence[int]]) -> list[Line]:
    """One line per recipe: the mean of its runs with a band of one standard deviation."""
    banded = []
    for group in groups:
        first = lines[group[0]]
        if len(group) == 1:
            banded.append(first)
            continue
        values = [dict(zip(lines[index].xs, lines[index].ys, strict=True)) for index in group]
        xs = [x for x in first.xs if all(x in of_run for of_run in values)]
        columns = [[of_run[x] for of_run in values] for x in xs]
        means, deviations = [mean(column) for column in columns], [stdev(column) for column in columns]
        band = tuple([m + sign * d for m, d in zip(means, deviations, strict=True)] for sign in (-1, 1))
        name = f"{first.sign}±{len(group)}"
        banded.append(replace(first, name=name, xs=xs, ys=means, spread=(band[0], band[1])))
    return banded


class ComparedCurves(Curves):
    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.train = False
        """Whether training is shown instead of validation."""
        self.bands = False
        """Whether the runs of one recipe are one line with a band."""
        self._states: Sequence[RunState] = ()

    def show(self, states: Sequence[RunState]) -> None:
        self._states = states
        self.refresh_curves()

    def options(self) -> list[Option]:
        return [
            *super().options(),
            Option("values", "training" if self.train else "validation", self.toggle_train),
            Option("seeds of a recipe", "mean and deviation" if self.bands else "one by one", self.toggle_bands),
        ]

    def toggle_bands(self) -> None:
        self.bands = not self.bands
        self.refresh_curves()

    def toggle_train(self) -> None:
        self.train = not self.train
        self.refresh_curves()

    def chart_data(self, chart: RunChart) -> ChartData:
        data = compared_chart(chart, self._states, train=self.train, steps=self.steps)
        return replace(data, lines=with_bands(data.lines, of_one_recipe(self._states))) if self.bands else data

    def abscissas(self) -> Sequence[float]:
        """Those of the longest run."""
        longest = max((state.history for state in self._states), key=len, default=History())
        return longest.column("step" if self.steps else "epoch")

    def version(self) -> object:
        newest = [newest_points(self.charts, state, steps=self.steps) for state in self._states]
        return self.train, self.bands, newest, [(len(state.history), state.history[-1:]) for state in self._states]


Result = Callable[[RunState], float | None]


def _percent_of(read: Result) -> Result:
    return lambda run: None if (value := read(run)) is None else 100 * value


RESULTS: dict[str, tuple[Result, Callable[[float], str]]] = {
    "best val": (_percent_of(lambda run: run.best.val_accuracy if run.best else None), "{:.1f}%".format),
    "test": (_percent_of(lambda run: run.test.accuracy if run.test else None), "{:.1f}%".format),
    "macro F1": (lambda run: run.test.macro_f1 if run.test else None, "{:.3f}".format),
    "val loss": (lambda run: run.best.val_loss if run.best else None, formatting.loss),
    "minutes": (lambda run: run.seconds(0.0) / 60, "{:.1f}".format),
}
"""Name → value of a run, and how it is written."""
PERCENT = ("best val", "test")


def differing_fields(runs: Sequence[RunState]) -> list[str]:
    """The recipe's fields in which the runs differ, the model among them; the seed where there is nothing else."""
    return [name for name, _ in differences([flat(run.recipe) for run in runs])] or ["seed"]


def scatter(runs: Sequence[RunState], field: str, result: str) -> ChartData:
    recipes = [flat(run.recipe) for run in runs]
    values = {written(recipe.get(field)): recipe.get(field) for recipe in recipes}
    numbers = {name: value for name, value in values.items() if isinstance(value, int | float)}
    names = sorted(values, key=lambda name: (name not in numbers, numbers.get(name, 0), name))
    read, write = RESULTS[result]
    lines = []
    for tag, (letter, run, recipe) in enumerate(zip(LETTERS, runs, recipes, strict=False), start=1):
        value, x = read(run), names.index(written(recipe.get(field))) + 1.0
        xs, ys = ([x], [value]) if value is not None else ([], [])
        lines.append(Line(letter, tag, xs, ys, letter, sign=letter))
    bounds, unit = (Bounds(0.0, 100.0), "%") if result in PERCENT else (Bounds(low=0.0), "")
    title, empty = f"{result} by {field}", "No run has this result yet."
    return ChartData(title, lines, bounds, format=write, unit=unit, columns=names, empty=empty)


class Scatter(Vertical, can_focus=True):
    """Left and right turn through the fields, up and down through the results."""

    BINDING_GROUP_TITLE = "The scatter"
    BINDINGS: ClassVar = [
        Binding("right", "field(1)", "field", id="scatter.field", tooltip="Next field of the recipe"),
        Binding("left", "field(-1)", "previous field of the recipe", show=False, id="scatter.field_before"),
        Binding("down", "result(1)", "result", id="scatter.result", tooltip="Next result"),
        Binding("up", "result(-1)", "previous result", show=False, id="scatter.result_before"),
    ]

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._runs: Sequence[RunState] = ()
        self._field = 0
        self._result = 0

    def compose(self) -> ComposeResult:
        yield Chart(id="scatter-chart")

    def show(self, runs: Sequence[RunState]) -> None:
        self._runs = runs
        self._draw()

    def _draw(self) -> None:
        fields, results = differing_fields(self._runs), list(RESULTS)
        data = scatter(self._runs, fields[self._field % len(fields)], results[self._result % len(results)])
        self.query_one(Chart).show(data, View(), "")

    def action_field(self, by: int) -> None:
        self._field += by
        self._draw()

    def action_result(self, by: int) -> None:
        self._result += by
        self._draw()

    def on_resize(self) -> None:
        if self._runs:
            self._draw()
