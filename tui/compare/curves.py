"""The curves of several runs, each with its letter and colour."""

from collections.abc import Sequence
from dataclasses import replace

from core.runs.journal.state import RunState
from tui.charts.curves import Curves, Option
from tui.charts.data import ChartData
from tui.charts.run_charts import HistoryColumns, RunChart, chart_data, newest_points, quantity_line

LETTERS = "ABCDEFGH"
"""A run's letter marks its curve and its row; its colour has the same index in the palette's series."""
_PART = {True: "Training", False: "Validation"}


def compared_chart(
    chart: RunChart, states: Sequence[RunState], columns: Sequence[HistoryColumns], *, train: bool, steps: bool
) -> ChartData:
    """A chart of each run; of loss and accuracy either training's or validation's."""
    parted = len(chart.quantities) == 2
    quantity = chart.quantities[1 if parted and not train else 0]
    if parted:
        quantity = replace(quantity, step="")  # the steps of eight runs would cover each other
    title = f"{_PART[train]} {chart.title.lower()}" if parted else chart.title
    lines = [
        replace(
            quantity_line(chart, quantity, state, run, steps=steps),
            name=letter,
            tag=tag,
            ascii_marker=letter,
            sign=letter,
            dashed=False,
            spread=None,
        )
        for tag, (letter, state, run) in enumerate(zip(LETTERS, states, columns, strict=False), start=1)
    ]
    return chart_data(chart, title, lines)


class ComparedCurves(Curves):
    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.train = False
        """Whether training is shown instead of validation."""
        self._states: Sequence[RunState] = ()
        self._runs: list[HistoryColumns] = []

    def show(self, states: Sequence[RunState]) -> None:
        self._states = states
        self._runs = self._runs or [HistoryColumns() for _ in states]
        for columns, state in zip(self._runs, states, strict=True):
            columns.update(state.history)
        self.refresh_curves()

    def options(self) -> list[Option]:
        return [*super().options(), Option("values", "training" if self.train else "validation", self.toggle_train)]

    def toggle_train(self) -> None:
        self.train = not self.train
        self.refresh_curves()

    def chart_data(self, chart: RunChart) -> ChartData:
        return compared_chart(chart, self._states, self._runs, train=self.train, steps=self.steps)

    def abscissas(self) -> Sequence[float]:
        """Those of the longest run."""
        return max((run.steps if self.steps else run.epochs for run in self._runs), key=len, default=[])

    def version(self) -> object:
        newest = [newest_points(self.charts, state, steps=self.steps) for state in self._states]
        return self.train, newest, [(len(run.epochs), run.last) for run in self._runs]
