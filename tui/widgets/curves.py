"""A run's two charts, loss and accuracy, under one view: one cursor, one zoomed range, one smoothing."""

from dataclasses import replace

from textual import on
from textual.app import ComposeResult
from textual.containers import Container
from textual.message import Message

from core.runs.state import RunState
from tui import figures
from tui.charts import navigation
from tui.charts.columns import Columns
from tui.charts.picture import View
from tui.charts.subjects import accuracy_subject, loss_subject
from tui.widgets.chart import Chart

SMOOTHING = (0.0, 0.5, 0.8, 0.95)
"""Weights that the key for smoothing goes through."""


class Curves(Container):
    class Kept(Message):
        """Smoothing, scale or axis were changed, which is worth keeping."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.view = View()
        self.steps = False
        self._state = RunState.empty()
        self._columns = Columns()
        self._drawn: object = None

    def compose(self) -> ComposeResult:
        yield Chart("Loss", figures.loss, empty="The first epoch draws here.", id="loss")
        yield Chart("Accuracy", lambda value: f"{value:.1f} %", id="accuracy")

    def begin(self, view: View, *, steps: bool) -> None:
        """Another run, with its view."""
        self.view, self.steps, self._drawn = view, steps, None

    def show(self, state: RunState) -> None:
        """Draw, if anything is new that the curves show."""
        self._state = state
        points = state.step_loss.points[-1:] if self.steps else None
        drawn = (state.history[-1:], len(state.history), state.best, points, self.view, self.steps)
        if drawn != self._drawn:
            self._drawn = drawn
            self._draw()

    def _draw(self) -> None:
        state, columns, steps = self._state, self._columns, self.steps
        columns.take_in(state.history)
        unit = "step" if steps else "epoch"
        self.query_one("#loss", Chart).show(loss_subject(state, columns, steps=steps), self.view, unit)
        plain = replace(self.view, logarithmic=False)
        self.query_one("#accuracy", Chart).show(accuracy_subject(state, columns, steps=steps), plain, unit)

    def _look(self, view: View) -> None:
        self.view = view
        self.show(self._state)

    @property
    def _xs(self) -> list[float]:
        """Where the training curves have values."""
        if self.steps:
            return [point.step for point in self._state.step_loss.points]
        return self._columns.epochs

    def move(self, by: int, *, select: bool = False) -> None:
        columns = self.query_one("#loss", Chart).columns
        self._look(navigation.move_cursor(self.view, self._xs, columns, by, select=select))

    def point_to_epoch(self, index: int) -> None:
        """The cursor to the end of the epoch in row ``index`` of the history."""
        row = self._state.history[index]
        self._look(navigation.put_cursor(self.view, self._xs, row.step if self.steps else row.epoch))

    @on(Chart.Pointed)
    def point(self, event: Chart.Pointed) -> None:
        event.stop()
        self._look(navigation.put_cursor(self.view, self._xs, event.x))

    def zoom(self) -> None:
        self._look(navigation.zoom_in(self.view, self._xs))

    def back(self) -> None:
        self._look(navigation.back(self.view))

    def toggle_log(self) -> None:
        self._look(replace(self.view, logarithmic=not self.view.logarithmic))
        self.post_message(self.Kept())

    def smooth_more(self) -> None:
        further = [weight for weight in SMOOTHING if weight > self.view.smoothing]
        self._look(replace(self.view, smoothing=further[0] if further else 0.0))
        self.post_message(self.Kept())

    def toggle_steps(self) -> None:
        self.steps = not self.steps
        self._look(replace(self.view, zoom=None, cursor=None, anchor=None))
        self.post_message(self.Kept())
