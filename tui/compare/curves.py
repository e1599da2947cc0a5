"""The curves of several runs, each with its letter and colour."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import mean, stdev

from core.runs.journal.history import History
from core.runs.journal.state import RunState
from core.runs.recipe_fields import but_for_the_seed, flat
from tui.charts.curves import Curves, Option
from tui.charts.data import ChartData, Line
from tui.charts.run_charts import LETTERS, RunChart, chart_data, newest_points, quantity_line

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
