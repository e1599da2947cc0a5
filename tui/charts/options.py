"""A dialog with the options of the curves behind it, which change at once."""

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.content import Content
from textual.screen import ModalScreen

from tui.charts.curves import Curves, Option
from tui.text.cells import padded, widest
from tui.widgets.panel import frame
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

    def follows(self) -> bool:
        return False

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
