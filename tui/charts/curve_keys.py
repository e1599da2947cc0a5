"""The keys of screens with curves, and what they do."""

from dataclasses import replace

from textual.binding import Binding
from textual.screen import Screen

from tui.charts.curves import Curves
from tui.charts.options import ChartOptions

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
