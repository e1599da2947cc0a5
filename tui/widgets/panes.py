"""The panes of the Watch screen: side by side where there is room, behind tabs where there is not."""

from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widget import Widget

from core.runs.state import RunState
from tui.widgets.confusion_grid import Look, confusion_grid
from tui.widgets.epoch_table import EpochHead, EpochRows
from tui.widgets.genre_bars import genre_bars, validation_in_words
from tui.widgets.lines_view import LinesView
from tui.widgets.log_pane import LogPane
from tui.widgets.mistakes import Mistakes
from tui.widgets.pane_tabs import PaneTabs
from tui.widgets.progress_line import progress_line
from tui.widgets.report import report_lines
from tui.widgets.row_list import RowList
from tui.widgets.run_curves import RunCurves
from tui.widgets.setup import setup_lines
from tui.widgets.text_lines import TextLines

if TYPE_CHECKING:
    from tui.app import GenreApp

SIDE = ("genres", "confusion", "mistakes", "report", "setup")
"""Panes that share the place beside the epochs."""
PANES = ("charts", "epochs", *SIDE, "log")
ROWS_FOR_COLUMNS = 30
"""Rows of the terminal from which panes stand beside and above each other."""


class Panes(Vertical):
    app: "GenreApp"

    class Kept(Message):
        """Another pane was chosen, which is worth keeping."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.chosen = ""
        """Empty as long as nobody chose a pane: the run's phase suggests one."""
        self._state = RunState.empty()
        self._notice: Content | None = None
        self._beside_epochs = SIDE[0]

    def compose(self) -> ComposeResult:
        yield PaneTabs(id="tabs")
        yield RunCurves(id="charts")
        with Horizontal(id="lower"):
            with Vertical(id="epochs"):
                yield EpochHead()
                yield EpochRows(id="epoch-rows")
            with Vertical(id="side"):
                yield PaneTabs(id="side-tabs")
                for pane in SIDE:
                    yield Mistakes(id=pane) if pane == "mistakes" else LinesView(id=pane)
            with Vertical(id="beside"):
                yield TextLines(id="beside-title")
                yield LinesView(id="beside-confusion")
        yield TextLines(id="progress")
        yield LogPane(id="log")

    def show(self, state: RunState, notice: Content | None) -> None:
        """Show ``state``, and ``notice`` where nothing has to make room for it."""
        self._state, self._notice = state, notice
        self._arrange()
        self._fill()

    # What is in the panes

    def _fill(self) -> None:
        state = self._state
        self.query_one(RunCurves).show(state)
        self.query_one(EpochRows).show(state)
        self.query_one(Mistakes).show(state)
        self.query_one(LogPane).show(state)
        progress = progress_line(state, self.size.width - 2)
        notice = self._notice or Content("")
        above = [self._notice or progress] if self._tabbed else [notice, progress]
        self.query_one("#progress", TextLines).show(above)
        for pane in self.query(LinesView):
            if pane.size:
                pane.show(self._lines(pane.id or "", pane.row_width))

    def _lines(self, pane: str, width: int) -> list[Content]:
        state, app = self._state, self.app
        look = Look(app.palette.heat, colour=not (app.no_color or app.ascii), ascii_only=app.ascii)
        match pane:
            case "genres":
                return genre_bars(state, width)
            case "report":
                return report_lines(state, width, look)
            case "setup":
                return setup_lines(state, width)
            case _:
                seen = state.validation
                grid = confusion_grid(seen.confusion if seen else [], state.genres, width, look)
                return [*grid, Content(""), *validation_in_words(seen, state.genres)] if seen else grid

    # Which panes there are

    @property
    def _tabbed(self) -> bool:
        """Whether one pane is shown at a time."""
        return self.app.width_class == "narrow" or self.app.size.height < ROWS_FOR_COLUMNS

    @property
    def _side(self) -> tuple[str, ...]:
        """The panes beside the epochs; on a wide terminal the confusion matrix has a place of its own."""
        return tuple(pane for pane in SIDE if pane != "confusion" or self.app.width_class != "wide")

    @property
    def _stops(self) -> tuple[str, ...]:
        """The panes that the key for the next pane goes through."""
        return PANES if self._tabbed else ("epochs", *self._side, "log")

    def _suggested(self) -> str:
        state = self._state
        if state.phase in ("starting", "scanning", "features") and not state.history:
            return "setup"
        if self._tabbed:
            return "charts"
        return "report" if state.test is not None else "genres"

    def _current(self) -> str:
        return self.chosen if self.chosen in self._stops else self._suggested()

    def _arrange(self) -> None:
        tabbed, current = self._tabbed, self._current()
        if not self.chosen or current in self._side:
            self._beside_epochs = current if current in self._side else self._side[0]
        shown = {current} if tabbed else {"charts", "epochs", self._beside_epochs, "log"}
        for pane in PANES:
            self._display(pane, pane in shown)
        self._display("tabs", tabbed)
        self._display("side-tabs", not tabbed)
        self._display("side", bool(shown & set(SIDE)))
        self._display("lower", bool(shown & {"epochs", *SIDE}))
        self._display("beside", not tabbed and self.app.width_class == "wide")
        self.set_class(tabbed, "-tabbed")
        self.query_one("#tabs", PaneTabs).show(PANES, current)
        self.query_one("#side-tabs", PaneTabs).show(self._side, self._beside_epochs)
        self.query_one("#beside-title", TextLines).show([Content.styled(" confusion", "bold")])

    def _display(self, name: str, shown: bool) -> None:
        widget: Widget = self.query_one(f"#{name}")
        if widget.display != shown:
            widget.display = shown
            # A pane that comes into view has its size, and so its lines, only after the next layout.
            self.call_after_refresh(self._fill)

    # Choosing

    def choose(self, pane: str) -> None:
        self.chosen = pane
        self._arrange()
        self._focus(pane)
        self.post_message(self.Kept())

    def next(self, by: int) -> None:
        stops = self._stops
        self.choose(stops[(stops.index(self._current()) + by) % len(stops)])

    @on(PaneTabs.Chosen)
    def choose_tab(self, event: PaneTabs.Chosen) -> None:
        event.stop()
        if event.pane in self._stops:
            self.choose(event.pane)

    def _focus(self, pane: str) -> None:
        target = self.query_one("#epoch-rows" if pane == "epochs" else f"#{pane}")
        self.screen.set_focus(target if isinstance(target, RowList) else None, scroll_visible=False)

    def on_descendant_focus(self) -> None:
        """A click into a pane makes it the current one."""
        focused = self.screen.focused
        for pane in self._stops:
            target = self.query_one("#epoch-rows" if pane == "epochs" else f"#{pane}")
            if target is focused and pane != self._current():
                self.chosen = pane

    def on_resize(self) -> None:
        self._arrange()
        self.call_after_refresh(self._fill)
