"""The panes of the Watch screen: side by side where there is room, behind tabs where there is not."""

from collections.abc import Sequence
from dataclasses import replace

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widget import Widget

from core.runs.journal.state import RunState, Validation
from tui.charts.confusion import ConfusionView
from tui.charts.curves import RunCurves
from tui.charts.genres import genre_bars, report_lines
from tui.shell.base import BaseApp
from tui.shell.panels import frame, key_of
from tui.watch.lines import progress_line, setup_lines
from tui.watch.row_panes import EpochHead, EpochRows, LogPane, Mistakes
from tui.widgets.pane_tabs import PaneTabs
from tui.widgets.row_list import LinesView, RowList
from tui.widgets.text import TextLines

SIDE = ("genres", "confusion", "mistakes", "report", "setup")
"""Panes that share the space beside the epochs."""
SIDE_VIEWS: dict[str, type[Mistakes | ConfusionView]] = {"confusion": ConfusionView, "mistakes": Mistakes}
PANES = ("charts", "epochs", *SIDE, "log")
ROWS_FOR_COLUMNS = 30
"""Terminal rows from which panes are shown side by side; below, one at a time."""


class Panes(Vertical):
    app: BaseApp

    class ViewChanged(Message):
        """Another pane was chosen; the choice is kept."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.chosen = ""
        """Empty until the user chooses a pane; until then the run's phase selects one."""
        self._state = RunState.empty()
        self._notice: Content | None = None
        self._left: Widget | None = None
        """The matrix that was left for the clips of one of its cells."""
        self._at_cursor: tuple[int, Validation | None] | None = None
        """The epoch under the cursor and its validation; None while there is no cursor."""

    def compose(self) -> ComposeResult:
        yield PaneTabs(framed=True, id="tabs")
        curves = RunCurves(id="charts", classes="panel")
        curves.can_focus = True
        yield curves
        with Horizontal(id="lower"):
            with Vertical(id="epochs", classes="panel"):
                yield EpochHead()
                yield EpochRows(id="epoch-rows")
            with Vertical(id="side", classes="framed"):
                yield PaneTabs(framed=True, id="side-tabs")
                with Vertical(id="side-body", classes="panel -below-tabs"):
                    for pane in SIDE:
                        yield SIDE_VIEWS.get(pane, LinesView)(id=pane)
            with Vertical(id="beside", classes="panel"):
                yield ConfusionView(id="beside-confusion")
        yield TextLines(id="progress")
        yield LogPane(id="log", classes="panel")

    def begin(self, pane: str) -> None:
        """Start with another run, and the pane chosen for it earlier, if any."""
        self.chosen = pane if pane in PANES else ""
        self.query_one(Mistakes).only(None)
        self._at_cursor = None
        for rows in self.query(RowList):
            rows.begin()

    def show(self, state: RunState, notice: Content | None) -> None:
        """Show ``state``, and ``notice`` instead of the progress line."""
        self._state, self._notice = state, notice
        self._arrange()
        self._fill()

    def show_epoch(self, epoch: int | None, validation: Validation | None) -> None:
        """Show the validation of the epoch under the cursor instead of the last one; None follows the run again."""
        self._at_cursor = None if epoch is None else (epoch, validation)
        self._arrange()
        self._fill_lines_of_all()

    @property
    def _validation(self) -> Validation | None:
        return self._state.validation if self._at_cursor is None else self._at_cursor[1]

    # Content of the panes

    def _fill(self) -> None:
        state = self._state
        self.query_one(RunCurves).show(state)
        self.query_one(EpochRows).show(state)
        self.query_one(Mistakes).show(state)
        self.query_one(LogPane).show(state)
        width = max(10, self.size.width - 2)
        self.query_one("#progress", TextLines).show((self._notice or progress_line(state, width)).wrap(width))
        self._fill_lines_of_all()

    def _fill_lines_of_all(self) -> None:
        for pane in self.query(LinesView):
            self._fill_lines(pane)
        matrix, genres = self._matrix
        for view in self.query(ConfusionView):
            view.show(matrix, genres, "Available after the first validation.")

    @property
    def _matrix(self) -> tuple[Sequence[Sequence[int]], Sequence[str]]:
        """The confusion of the test, or of the epoch under the cursor, or of the last validation; and its genres."""
        test, seen = self._state.test, self._validation
        if test is not None and self._at_cursor is None:
            return test.confusion, test.genres
        return (seen.confusion, self._state.genres) if seen is not None else ((), ())

    @on(LinesView.Resized)
    def _fit_lines(self, event: LinesView.Resized) -> None:
        event.stop()
        self._fill_lines(event.view)

    def _fill_lines(self, pane: LinesView) -> None:
        if pane.size:
            pane.show(self._lines(pane.id or "", pane.row_width))

    def _lines(self, pane: str, width: int) -> list[Content]:
        state = self._state
        match pane:
            case "genres":
                return genre_bars(replace(state, validation=self._validation), width)
            case "report":
                return report_lines(state, width)
            case _:
                return setup_lines(state, width)

    # Arrangement

    @property
    def _tabbed(self) -> bool:
        """Whether one pane is shown at a time."""
        return self.app.width_class == "narrow" or self.app.size.height < ROWS_FOR_COLUMNS

    @property
    def _side(self) -> tuple[str, ...]:
        """The panes beside the epochs; on a wide terminal the confusion matrix has its own space."""
        return tuple(pane for pane in SIDE if pane != "confusion" or self.app.width_class != "wide")

    def _tab(self) -> str:
        """The pane in view: the chosen one, or the one that suits the run's phase."""
        if self.chosen in (PANES if self._tabbed else self._side):
            return self.chosen
        state = self._state
        begun = bool(state.history) or state.phase not in ("starting", "scanning", "features")
        if self._tabbed:
            return "charts" if begun else "setup"
        if state.test is not None and self.app.width_class != "wide":  # there, the matrix beside shows the test
            return "report"
        return "genres" if state.validation is not None else "setup"

    def _arrange(self) -> None:
        tabbed, tab = self._tabbed, self._tab()
        shown = {tab} if tabbed else {"charts", "epochs", tab, "log"}
        for pane in PANES:
            self._display(pane, pane in shown)
        self._display("tabs", tabbed)
        self._display("side-tabs", not tabbed)
        self._display("side", bool(shown & set(SIDE)))
        self._display("lower", bool(shown & {"epochs", *SIDE}))
        self._display("beside", not tabbed and self.app.width_class == "wide")
        self.set_class(tabbed, "-tabbed")
        self.query_one("#tabs", PaneTabs).show(PANES, tab)
        self.query_one("#side-tabs", PaneTabs).show(self._side, tab)
        self._frame(tab, tabbed=tabbed)

    def _frame(self, tab: str, *, tabbed: bool) -> None:
        """Set titles and keys of the panels; behind tabs, the tab is the title."""
        for name in ("charts", "epochs", "log"):
            self.query_one(f"#{name}").set_class(tabbed, "-below-tabs")
        self.set_class(tabbed, "framed")

        def keys(*names: str) -> list[tuple[str, str]]:
            return [(key_of(self.screen, f"watch.{name}"), name.partition("_")[0]) for name in names]

        turn = " ".join(key for key, _ in keys("previous_charts", "next_charts"))
        seen = self._validation
        validated = "" if seen is None else f"validation, epoch {seen.epoch}"
        tested = "" if self._state.test is None else "test"
        matrix = tested if self._at_cursor is None and tested else validated
        pair = self.query_one(Mistakes).pair
        wrong = f"{tested}: {pair[0]} → {pair[1]}" if pair is not None else tested
        part = {"genres": validated, "confusion": matrix, "mistakes": wrong, "report": tested}.get(tab, "")
        keys_of = {"mistakes": [("enter", "classify")], "confusion": [("enter", "misclassified clips")]}
        frame(self.query_one("#charts"), "curves", [(turn, "charts"), *keys("zoom", "options", "log_scale")])
        frame(self.query_one("#epochs"), "epochs", [("enter", "cursor")])
        frame(self.query_one("#side-body"), "", keys_of.get(tab, ()), note=part)
        frame(self.query_one("#beside"), "confusion", keys_of["confusion"], note=matrix)
        frame(self.query_one("#log"), "log")

    def _display(self, name: str, shown: bool) -> None:
        widget: Widget = self.query_one(f"#{name}")
        if widget.display != shown:
            widget.display = shown
            # A pane that comes into view has a size, and thus lines, only after the next layout.
            self.call_after_refresh(self._fill)

    # Choosing

    def choose(self, pane: str) -> None:
        """Bring a pane into view and focus it."""
        if self._tabbed or pane in self._side:
            self.chosen = pane
            self.post_message(self.ViewChanged())
        self._arrange()
        self.screen.set_focus(self._focusable(pane), scroll_visible=False)

    def next(self, by: int) -> None:
        """Choose the next pane; where several are in view, the next panel or tab."""
        beside = () if self._side == SIDE else ("beside-confusion",)
        stops = PANES if self._tabbed else ("charts", "epochs", *self._side, *beside, "log")
        here = self._tab()
        if not self._tabbed:
            here = next((pane for pane in stops if self._focusable(pane) is self.screen.focused), "charts")
        self.choose(stops[(stops.index(here) + by) % len(stops)])

    @on(ConfusionView.Chosen)
    def list_cell(self, event: ConfusionView.Chosen) -> None:
        """List the clips of a cell; only the test's mistakes are in the journal."""
        event.stop()
        test = self._state.test
        if test is None or self._at_cursor is not None:
            self.app.notify("The journal names misclassified clips only for the test, which runs after the last epoch.")
        elif event.truth == event.prediction:
            self.app.notify("The journal names only misclassified clips; those of this cell were classified correctly.")
        else:
            self.query_one(Mistakes).only((test.genres[event.truth], test.genres[event.prediction]))
            self._left = self.screen.focused
            self.choose("mistakes")

    def back(self) -> bool:
        """Show all mistakes again, and focus the matrix from which a cell was chosen; False if none was."""
        if self.query_one(Mistakes).pair is None:
            return False
        self.query_one(Mistakes).only(None)
        if self._left is not None and self._left.id == "confusion":
            self.choose("confusion")
        else:
            self._arrange()
            self.screen.set_focus(self._left)
        return True

    @on(PaneTabs.Chosen)
    def choose_tab(self, event: PaneTabs.Chosen) -> None:
        event.stop()
        self.choose(event.pane)

    def _focusable(self, pane: str) -> Widget:
        return self.query_one("#epoch-rows" if pane == "epochs" else f"#{pane}")

    def on_resize(self) -> None:
        self._arrange()
        self.call_after_refresh(self._fill)
