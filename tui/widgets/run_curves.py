"""The curves of one run."""

from collections.abc import Sequence

from core.runs.state import RunState
from tui.charts.columns import Columns
from tui.charts.picture import Subject
from tui.charts.subjects import accuracy_subject, loss_subject
from tui.widgets.curves import Curves


class RunCurves(Curves):
    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._state = RunState.empty()
        self._columns = Columns()

    def show(self, state: RunState) -> None:
        self._state = state
        self._columns.take_in(state.history)
        self.refresh_curves()

    def subjects(self) -> tuple[Subject, Subject]:
        state, columns = self._state, self._columns
        return loss_subject(state, columns, steps=self.steps), accuracy_subject(state, columns, steps=self.steps)

    def abscissas(self) -> Sequence[float]:
        if self.steps:
            return [point.step for point in self._state.step_loss.points]
        return self._columns.epochs

    def stamp(self) -> object:
        state = self._state
        return state.history[-1:], len(state.history), state.best, state.step_loss.points[-1:] if self.steps else None
