"""Two charts at a time under one view: cursor, zoom, smoothing; with the keys and the options dialog of its screens.

`RunCurves` are those of one run.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import ClassVar, NamedTuple

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Container
from textual.content import Content
from textual.message import Message
from textual.screen import Screen

from core.runs.journal.state import RunState
from tui.charts.chart import Chart
from tui.charts.data import ChartData, View, go_back, move_cursor, put_cursor, select, zoom_at, zoom_in
from tui.charts.run_charts import CHARTS, RunChart, newest_points, run_chart
from tui.formatting import padded, widest
from tui.shell.panels import Dialog, frame
from tui.widgets.row_list import RowList
from tui.widgets.text import clipped

SMOOTHING = (0.0, 0.5, 0.8, 0.95)
"""Smoothing weights that the key cycles through."""


WHEEL = 1.4
"""Factor by which the range in view grows with each downward step of the wheel."""


class Option(NamedTuple):
    """One line of the dialog of the charts' options."""

    name: str
    value: str
    change: Callable[[], None]
    """Takes the next value."""


class Curves(Container):
    """A subclass provides the data and calls `refresh_curves` when they may have changed."""

    class ViewChanged(Message):
        """Smoothing, scale or axis were changed; the view is kept."""

    class Moved(Message):
        """The cursor moved or disappeared."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.view = View()
        self.steps = False
        self._page = 0
        self._drawn: object = None
        # Held here: data may come before the charts are mounted, and after they are removed.
        self._left, self._right = Chart(id="left"), Chart(id="right")

    def compose(self) -> ComposeResult:
        yield self._left
        yield self._right

    # For subclasses

    def chart_data(self, chart: RunChart) -> ChartData:
        """The data of one chart."""
        raise NotImplementedError

    def abscissas(self) -> Sequence[float]:
        """The positions of the cursor."""
        raise NotImplementedError

    def version(self) -> object:
        """A value that changes when the data change."""
        raise NotImplementedError

    def begin(self, view: View, *, steps: bool) -> None:
        """Start with other data and their view."""
        self.view, self.steps, self._drawn = view, steps, None

    def refresh_curves(self) -> None:
        """Draw if data or view have changed."""
        drawn = (self.version(), self.view, self.steps, self._page)
        if drawn == self._drawn:
            return
        self._drawn = drawn
        first, second = (self.chart_data(chart) for chart in self.charts)
        self._draw(self._left, first)
        # A key pressed meanwhile is handled between the two.
        self.call_later(self._draw, self._right, second)

    def _draw(self, chart: Chart, data: ChartData) -> None:
        view = replace(self.view, logarithmic=self.view.logarithmic and data.logarithmic)
        chart.show(data, view, "step" if self.steps else "epoch")

    @property
    def charts(self) -> Sequence[RunChart]:
        """The two in view."""
        return CHARTS[2 * self._page : 2 * self._page + 2]

    def turn(self, by: int) -> None:
        """Show the next two charts."""
        self._page = (self._page + by) % (len(CHARTS) // 2)
        self.refresh_curves()

    def _set_view(self, view: View) -> None:
        moved = view.cursor != self.view.cursor
        self.view = view
        self.refresh_curves()
        if moved:
            self.post_message(self.Moved())

    # Keys

    def move(self, by: int, *, select: bool = False) -> None:
        self._set_view(move_cursor(self.view, self.abscissas(), self._left.columns, by, select=select))

    def point_to(self, x: float) -> None:
        """Move the cursor to the value nearest to ``x``."""
        self._set_view(put_cursor(self.view, self.abscissas(), x))

    @on(Chart.Pointed)
    def point(self, event: Chart.Pointed) -> None:
        event.stop()
        self.point_to(event.x)

    @on(Chart.Dragged)
    def drag(self, event: Chart.Dragged) -> None:
        event.stop()
        self._set_view(select(self.view, self.abscissas(), event.first, event.last))

    @on(Chart.Scrolled)
    def wheel(self, event: Chart.Scrolled) -> None:
        event.stop()
        self._set_view(zoom_at(self.view, self.abscissas(), event.x, WHEEL**event.by))

    @on(Chart.DoubleClicked)
    def reset(self, event: Chart.DoubleClicked) -> None:
        event.stop()
        self._set_view(replace(self.view, zoom=None, cursor=None, anchor=None))

    def zoom(self) -> None:
        self._set_view(zoom_in(self.view, self.abscissas()))

    def back(self) -> None:
        self._set_view(go_back(self.view))

    def toggle_log(self) -> None:
        self._set_view(replace(self.view, logarithmic=not self.view.logarithmic))
        self.post_message(self.ViewChanged())

    def options(self) -> list[Option]:
        """How the charts are drawn; the first is the clipping of outliers."""
        view = self.view
        return [
            Option("outliers", "clipped, ▲ marks them" if view.clip_outliers else "drawn", self.toggle_outliers),
            Option("scale of the loss", "logarithmic" if view.logarithmic else "linear", self.toggle_log),
            Option("smoothing", f"{view.smoothing:g}" if view.smoothing else "none", self.smooth_more),
            Option("horizontal axis", "steps" if self.steps else "epochs", self.toggle_steps),
        ]

    def toggle_outliers(self) -> None:
        self._set_view(replace(self.view, clip_outliers=not self.view.clip_outliers))

    def smooth_more(self) -> None:
        further = [weight for weight in SMOOTHING if weight > self.view.smoothing]
        self._set_view(replace(self.view, smoothing=further[0] if further else 0.0))
        self.post_message(self.ViewChanged())

    def toggle_steps(self) -> None:
        self.steps = not self.steps
        self._set_view(replace(self.view, zoom=None, cursor=None, anchor=None))
        self.post_message(self.ViewChanged())


class RunCurves(Curves):
    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._state = RunState.empty()

    def show(self, state: RunState) -> None:
        self._state = state
        self.refresh_curves()

    def chart_data(self, chart: RunChart) -> ChartData:
        return run_chart(chart, self._state, steps=self.steps)

    def abscissas(self) -> Sequence[float]:
        if self.steps:
            return [point.step for point in self._state.series["loss"].points]
        return self._state.history.column("epoch")

    def version(self) -> object:
        state = self._state
        return state.history[-1:], len(state.history), state.best, newest_points(self.charts, state, steps=self.steps)


class OptionList(RowList):
    has_cursor = True

    def __init__(self, curves: Curves) -> None:
        super().__init__()
        self._curves = curves

    @property
    def options(self) -> list[Option]:
        return self._curves.options()

    def on_mount(self) -> None:
        self.styles.height = len(self.options) + 2  # the frame's
        self.rows_changed()

    def row_count(self) -> int:
        return len(self.options)

    def row(self, index: int, width: int) -> Content:
        option = self.options[index]
        names = widest(other.name for other in self.options)
        return clipped(Content.assemble(padded(option.name, names + 3), (option.value, "bold")), width)


class ChartOptions(Dialog[None]):
    """Enter changes the option under the cursor; the key that opens the dialog changes the first one, outliers."""

    DEFAULT_CSS = "ChartOptions OptionList { width: 44; max-width: 100%; }"
    BINDINGS: ClassVar = [
        Binding("o", "outliers", "outliers"),
        Binding("space", "change", "change"),
        Binding("escape,q", "dismiss", "close"),
    ]

    def __init__(self, curves: Curves) -> None:
        super().__init__()
        self._curves = curves

    def compose(self) -> ComposeResult:
        options = OptionList(self._curves)
        options.add_class("panel")
        frame(options, "chart options", [("enter", "change"), ("o", "outliers"), ("esc", "close")])
        yield options

    @on(RowList.Chosen)
    def change(self, event: RowList.Chosen) -> None:
        self._change(event.index)

    def action_change(self) -> None:
        self._change(self.query_one(OptionList).cursor)

    def action_outliers(self) -> None:
        self._change(0)

    def _change(self, index: int) -> None:
        self._curves.options()[index].change()
        self.query_one(OptionList).rows_changed()


CURVES = Binding.Group("The curves")
FURTHER = "Further charts: learning rate, gradient norm, clips per second, CPU, GPU and its memory"


def curve_bindings(mode: str) -> list[Binding]:
    """The bindings of `CurveKeys`, with ids that start with ``mode``."""
    bindings = [
        Binding("l", "log_scale", "log", id=f"{mode}.log_scale", tooltip="Logarithmic scale for the loss"),
        Binding(
            "o",
            "options",
            "options",
            id=f"{mode}.options",
            tooltip="Options of the charts: outliers, scale, smoothing, epochs or steps",
        ),
        Binding("[", "turn(-1)", "previous charts", show=False, id=f"{mode}.previous_charts"),
        Binding("]", "turn(1)", "charts", id=f"{mode}.next_charts", tooltip=FURTHER),
        Binding("z", "zoom", "zoom", id=f"{mode}.zoom", tooltip="Zoom to the selection, or to half of the range"),
        Binding(
            "left",
            "cursor(-1)",
            "cursor left",
            show=False,
            id=f"{mode}.left",
            tooltip="Move the cursor left; it reads the values",
        ),
        Binding("right", "cursor(1)", "cursor right", show=False, id=f"{mode}.right", tooltip="Move the cursor right"),
        Binding(
            "shift+left",
            "select(-1)",
            "select left",
            show=False,
            id=f"{mode}.select_left",
            tooltip="Extend the selection to the left",
        ),
        Binding(
            "shift+right",
            "select(1)",
            "select right",
            show=False,
            id=f"{mode}.select_right",
            tooltip="Extend the selection to the right",
        ),
    ]
    return [replace(binding, group=CURVES) for binding in bindings]


class CurveKeys(Screen[None]):
    """A screen with one `Curves` widget."""

    def action_cursor(self, by: int) -> None:
        self.query_one(Curves).move(by)

    def action_select(self, by: int) -> None:
        self.query_one(Curves).move(by, select=True)

    def action_turn(self, by: int) -> None:
        self.query_one(Curves).turn(by)

    def action_zoom(self) -> None:
        self.query_one(Curves).zoom()

    def action_log_scale(self) -> None:
        self.query_one(Curves).toggle_log()

    def action_options(self) -> None:
        self.app.push_screen(ChartOptions(self.query_one(Curves)))
