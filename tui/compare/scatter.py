"""A scatter of one field of the recipes against one result: a column per value of the field, a letter per run."""

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical

from core.runs.journal.state import RunState
from core.runs.recipe_fields import flat, written
from tui.charts.chart import Chart
from tui.charts.data import ChartData, Line
from tui.charts.run_charts import LETTERS
from tui.charts.ticks import Bounds
from tui.charts.view import View
from tui.text import formatting

Result = Callable[[RunState], float | None]


def _percent_of(read: Result) -> Result:
    return lambda run: None if (value := read(run)) is None else 100 * value


RESULTS: dict[str, tuple[Result, Callable[[float], str]]] = {
    "best val (%)": (_percent_of(lambda run: run.best.val_accuracy if run.best else None), "{:.1f}%".format),
    "test (%)": (_percent_of(lambda run: run.test.accuracy if run.test else None), "{:.1f}%".format),
    "macro F1": (lambda run: run.test.macro_f1 if run.test else None, "{:.3f}".format),
    "val loss": (lambda run: run.best.val_loss if run.best else None, formatting.loss),
    "minutes": (lambda run: run.seconds(0.0) / 60, "{:.1f}".format),
}
"""Name → value of a run, and how it is written."""


def differing_fields(runs: Sequence[RunState]) -> list[str]:
    """The recipe's fields in which the runs differ, the model among them; the seed where there is nothing else."""
    recipes = [flat(run.recipe) for run in runs]
    names = dict.fromkeys(name for recipe in recipes for name in recipe)
    differing = [name for name in names if len({written(recipe.get(name)) for recipe in recipes}) > 1]
    return differing or ["seed"]


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
    bounds = Bounds(0.0, 100.0) if "%" in result else Bounds(low=0.0)
    title = f"{result} by {field}"
    return ChartData(title, lines, bounds, format=write, columns=names, empty="No run has this result yet.")


class Scatter(Vertical, can_focus=True):
    """Left and right turn through the fields, up and down through the results."""

    BINDING_GROUP_TITLE = "The scatter"
    BINDINGS: ClassVar = [
        Binding("right", "field(1)", "field", id="scatter.field", tooltip="The next field of the recipe"),
        Binding("left", "field(-1)", "field before", show=False, id="scatter.field_before"),
        Binding("down", "result(1)", "result", id="scatter.result", tooltip="The next result"),
        Binding("up", "result(-1)", "result before", show=False, id="scatter.result_before"),
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
