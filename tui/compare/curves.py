"""The curves of several runs, each with its letter and its colour."""

from collections.abc import Sequence

from core.runs.journal.state import RunState
from tui.charts.curves_widget import Curves
from tui.charts.history_columns import Columns
from tui.charts.render import ChartData
from tui.compare.series import compared_accuracy, compared_loss


class ComparedCurves(Curves):
    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.train = False
        """Training instead of validation."""
        self._runs: list[Columns] = []

    def show(self, states: Sequence[RunState]) -> None:
        self._runs = self._runs or [Columns() for _ in states]
        for columns, state in zip(self._runs, states, strict=True):
            columns.take_in(state.history)
        self.refresh_curves()

    def toggle_train(self) -> None:
        self.train = not self.train
        self.refresh_curves()

    def subjects(self) -> tuple[ChartData, ChartData]:
        loss = compared_loss(self._runs, train=self.train, steps=self.steps)
        return loss, compared_accuracy(self._runs, train=self.train, steps=self.steps)

    def abscissas(self) -> Sequence[float]:
        """The longest run's."""
        return max((run.steps if self.steps else run.epochs for run in self._runs), key=len, default=[])

    def stamp(self) -> object:
        return self.train, [(len(run.epochs), run.last) for run in self._runs]
