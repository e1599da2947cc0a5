"""The keys of screens with curves, and the dialog with the options of the curves."""

from dataclasses import replace
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.content import Content
from textual.screen import ModalScreen, Screen

from tui.charts.curves import Curves, Option
from tui.shell.panels import frame
from tui.text.cells import padded, widest
from tui.widgets.row_list import RowList


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
        return Content.assemble(padded(option.name, names + 3), (option.value, "bold")).truncate(width, ellipsis=True)


class ChartOptions(ModalScreen[None]):
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
        Binding(
            "[", "turn(-1)", "previous charts", show=False, id=f"{mode}.previous_charts", tooltip="The previous charts"
        ),
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
