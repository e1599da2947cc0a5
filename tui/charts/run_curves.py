"""The curves of one run."""

from collections.abc import Sequence

from core.runs.journal.state import RunState
from tui.charts.curves import Curves
from tui.charts.data import ChartData
from tui.charts.run_charts import HistoryColumns, RunChart, newest_points, run_chart


class RunCurves(Curves):
    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._state = RunState.empty()
        self._columns = HistoryColumns()

    def show(self, state: RunState) -> None:
        self._state = state
        self._columns.update(state.history)
        self.refresh_curves()

    def chart_data(self, chart: RunChart) -> ChartData:
        return run_chart(chart, self._state, self._columns, steps=self.steps)

    def abscissas(self) -> Sequence[float]:
        if self.steps:
            return [point.step for point in self._state.series["loss"].points]
        return self._columns.epochs

    def version(self) -> object:
        state = self._state
        return state.history[-1:], len(state.history), state.best, newest_points(self.charts, state, steps=self.steps)
