"""Two to eight runs side by side: curves, results, and differences between their recipes."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message

from core.runs.folder import RunFolder, RunReader
from core.runs.journal.state import RunState
from tui.charts.curves import CurveKeys, Curves, curve_bindings
from tui.charts.data import View
from tui.compare.charts import ComparedCurves, Scatter
from tui.compare.tables import difference_lines, result_lines
from tui.shell.base import BaseApp
from tui.shell.mode_screen import KeyBar
from tui.shell.panels import PanelKeys, frame, key_of
from tui.widgets.pane_tabs import PaneTabs
from tui.widgets.row_list import LinesView
from tui.widgets.text import TextLines

POLL_SECONDS = 1.0
"""Seconds between two reads of the journals."""
PANES = ("charts", "results", "recipes", "scatter")
SCATTER_ROWS = 12
ROWS_FOR_ALL = 30
"""Terminal rows from which all panes are shown; below, one at a time."""


class CompareScreen(PanelKeys, CurveKeys):
    HELP = "Runs side by side. Each run's letter marks its curve; a star marks the best value of a column."
    CSS_PATH = "../styles/compare.tcss"
    BINDINGS: ClassVar = [
        Binding(
            "escape", "back", "back", id="compare.back", tooltip="Clear the selection, zoom or cursor; then go back"
        ),
        Binding(
            "S",
            "seeds",
            "seeds",
            show=False,
            id="compare.seeds",
            tooltip="Draw the runs of one recipe as their mean, with a band of one standard deviation",
        ),
        Binding("v", "train", "train/val", id="compare.train", tooltip="Switch between training and validation"),
        *curve_bindings("compare"),
        Binding("tab", "pane(1)", "pane", id="compare.next_pane", tooltip="The next pane"),
        Binding(
            "shift+tab",
            "pane(-1)",
            "previous pane",
            show=False,
            id="compare.previous_pane",
            tooltip="The previous pane",
        ),
    ]

    app: BaseApp

    class Read(Message):
        """The journals were read."""

        def __init__(self, *, changed: bool) -> None:
            super().__init__()
            self.changed = changed

    def __init__(self, runs: Sequence[Path]) -> None:
        """
        Args:
            runs: the runs' folders, two to eight.
        """
        super().__init__()
        self._tails = [RunReader(RunFolder(run)) for run in runs]
        self._reading = False
        self._pane = "charts"

    def compose(self) -> ComposeResult:
        yield TextLines(id="header")
        yield PaneTabs(framed=True, id="tabs")
        curves = ComparedCurves(id="charts", classes="panel")
        curves.can_focus = True
        yield curves
        yield LinesView(id="results", classes="panel")
        with Horizontal(id="below"):
            yield LinesView(id="recipes", classes="panel")
            yield Scatter(id="scatter", classes="panel")
        yield KeyBar()

    def on_mount(self) -> None:
        settings = self.app.settings
        self.query_one(Curves).begin(View(smoothing=settings.smoothing, logarithmic=settings.log_loss), steps=False)
        self.poll(POLL_SECONDS, self._poll_journals)
        self.app.theme_changed_signal.subscribe(self, lambda _: self._show())
        self._arrange()
        self._poll_journals()

    def _poll_journals(self) -> None:
        if not self._reading:
            self._reading = True
            self._read()

    @work(thread=True, group="journals")
    def _read(self) -> None:
        changed = False
        for tail in self._tails:
            with suppress(OSError):  # a network disk may be away for a moment; the next read may succeed
                changed = tail.poll() or changed
        self.post_message(self.Read(changed=changed))

    @on(Read)
    def show_new(self, message: Read) -> None:
        self._reading = False
        if message.changed:
            self._show()

    @property
    def _states(self) -> list[RunState]:
        return [tail.state for tail in self._tails]

    @on(Curves.Moved)
    def _show(self) -> None:
        states, curves = self._states, self.query_one(ComparedCurves)
        if not all(state.name for state in states):
            return
        self.query_one("#header", TextLines).show([Content.styled(f"{len(states)} runs compared", "bold")])
        curves.show(states)
        colours = self.app.palette.series
        unit = "step" if curves.steps else "epoch"
        cursor = None if curves.view.cursor is None else (unit, curves.view.cursor)
        results, recipes = self.query_one("#results", LinesView), self.query_one("#recipes", LinesView)
        results.show(result_lines(states, colours, results.row_width, cursor, train=curves.train))
        differing = difference_lines(states, colours, recipes.row_width)
        recipes.show(differing)
        self.query_one(Scatter).show(states)
        if not self._tabbed:
            results.styles.height = len(states) + 3
            self.query_one("#below").styles.height = max(SCATTER_ROWS, len(differing) + 2)

    @property
    def _tabbed(self) -> bool:
        """Whether one pane is shown at a time."""
        return self.size.height < ROWS_FOR_ALL

    def _arrange(self) -> None:
        for pane in PANES:
            self.query_one(f"#{pane}").display = not self._tabbed or pane == self._pane
        tabs = self.query_one("#tabs", PaneTabs)
        tabs.display = self._tabbed
        tabs.show(PANES, self._pane)
        self.set_class(self._tabbed, "framed")
        for pane in PANES:
            self.query_one(f"#{pane}").set_class(self._tabbed, "-below-tabs")

        def keys(**names: str) -> list[tuple[str, str]]:
            return [(key_of(self, f"compare.{name}"), what) for name, what in names.items()]

        turn = " ".join(key for key, _ in keys(previous_charts="", next_charts=""))
        further = keys(train="train/val", seeds="seeds", zoom="zoom", options="options")
        frame(self.query_one("#charts"), "curves", [(turn, "charts"), *further])
        frame(self.query_one("#results"), "results")
        frame(self.query_one("#recipes"), "differences between the recipes")
        frame(self.query_one("#scatter"), "scatter", [("← →", "field"), ("↑ ↓", "result")])
        below = self.query_one("#below")
        below.display = not self._tabbed or self._pane in ("recipes", "scatter")
        if self._tabbed:
            self.query_one("#results").styles.height = below.styles.height = "1fr"

    def on_resize(self) -> None:
        self._arrange()
        self.call_after_refresh(self._show)

    # Keys

    def action_pane(self, by: int) -> None:
        self._choose(PANES[(PANES.index(self._pane) + by) % len(PANES)])

    @on(PaneTabs.Chosen)
    def choose_tab(self, event: PaneTabs.Chosen) -> None:
        self._choose(event.pane)

    def _choose(self, pane: str) -> None:
        self._pane = pane
        self._arrange()
        target = self.query_one(f"#{pane}")
        self.set_focus(target, scroll_visible=False)
        self.call_after_refresh(self._show)

    def action_back(self) -> None:
        curves = self.query_one(Curves)
        if curves.view.cursor is None and curves.view.zoom is None:
            self.dismiss()
        else:
            curves.back()

    def action_seeds(self) -> None:
        self.query_one(ComparedCurves).toggle_bands()

    def action_train(self) -> None:
        self.query_one(ComparedCurves).toggle_train()
        self._show()
