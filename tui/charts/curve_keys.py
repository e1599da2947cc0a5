"""The keys of the screens with curves, Watch and Compare alike."""

from textual.binding import Binding
from textual.screen import Screen

from tui.charts.curves_widget import Curves


def curve_bindings(mode: str) -> list[Binding]:
    """Bindings with ids of ``mode``."""
    return [
        Binding("l", "log_scale", "log", id=f"{mode}.log_scale", tooltip="Loss on a logarithmic scale"),
        Binding("m", "smooth", "smooth", id=f"{mode}.smooth", tooltip="Smooth the curves; raw values stay, faint"),
        Binding(
            "x", "steps", "steps", id=f"{mode}.steps", tooltip="Steps instead of epochs; means of up to 512 stretches"
        ),
        Binding("z", "zoom", "zoom", id=f"{mode}.zoom", tooltip="Zoom to the selected range, or to half of it all"),
        Binding("left", "cursor(-1)", "cursor left", show=False, id=f"{mode}.left", tooltip="Read the values there"),
        Binding("right", "cursor(1)", "cursor right", show=False, id=f"{mode}.right"),
        Binding("shift+left", "select(-1)", "select left", show=False, id=f"{mode}.select_left"),
        Binding("shift+right", "select(1)", "select right", show=False, id=f"{mode}.select_right"),
    ]


class CurveKeys(Screen[None]):
    """A screen with one `Curves`."""

    def action_cursor(self, by: int) -> None:
        self.query_one(Curves).move(by)

    def action_select(self, by: int) -> None:
        self.query_one(Curves).move(by, select=True)

    def action_zoom(self) -> None:
        self.query_one(Curves).zoom()

    def action_log_scale(self) -> None:
        self.query_one(Curves).toggle_log()

    def action_smooth(self) -> None:
        self.query_one(Curves).smooth_more()

    def action_steps(self) -> None:
        self.query_one(Curves).toggle_steps()
