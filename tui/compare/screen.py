"""Two to eight runs side by side: curves, results, and differences between their recipes."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import ClassVar

from rich.cells import cell_len
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message

from core.runs.folder import RunFolder, RunReader
from core.runs.journal.state import RunState
from core.runs.summary import differences, flat
from tui.charts.curves import CurveKeys, Curves, curve_bindings
from tui.charts.data import View
from tui.charts.run_charts import LETTERS
from tui.compare.charts import ComparedCurves, Scatter
from tui.formatting import clock, ending, fitted, loss, percent, widest
from tui.shell.base import BaseApp
from tui.shell.mode_screen import KeyBar
from tui.shell.panels import PanelKeys, frame, key_of
from tui.widgets.pane_tabs import PaneTabs
from tui.widgets.row_list import LinesView
from tui.widgets.text import STATUS_SYMBOLS, TextLines

HEAD = "$text-muted"


@dataclass(frozen=True)
class Column:
    title: str
    width: int
    text: Callable[[RunState], str]
    rank: Callable[[RunState], float] | None = None
    """For the star: the higher the better, NaN where there is nothing to rank. None for no star."""


def _best(run: RunState, what: str) -> float:
    return float(getattr(run.best, what, nan))


def _test(run: RunState, what: str) -> float:
    return float(getattr(run.test, what, nan))


def _macro_f1(run: RunState) -> str:
    return f"{run.test.macro_f1:.3f}" if run.test else "–"


RESULTS = (
    Column("epochs", 9, lambda run: f"{run.epochs_done}/{run.epochs}"),
    Column("best val", 10, lambda run: percent(_best(run, "val_accuracy")), lambda run: _best(run, "val_accuracy")),
    Column("epoch", 6, lambda run: str(run.best.epoch) if run.best else "–"),
    Column("val loss", 10, lambda run: loss(_best(run, "val_loss")), lambda run: -_best(run, "val_loss")),
    Column("test", 10, lambda run: percent(_test(run, "accuracy")), lambda run: _test(run, "accuracy")),
    Column("macro F1", 10, _macro_f1, lambda run: _test(run, "macro_f1")),
    Column("time", 9, lambda run: clock(run.seconds(0.0))),
    Column("parameters", 13, lambda run: f"{run.parameters:,}" if run.parameters else "–"),
)
"""Dropped from the end where there is too little room."""


def result_lines(
    runs: Sequence[RunState], colours: Sequence[str], width: int, cursor: tuple[str, float] | None, *, train: bool
) -> list[Content]:
    """One line per run under a heading; the best value of a column has a star.

    Args:
        colours: colours of the runs' curves.
        cursor: unit (``epoch`` or ``step``) and position of the charts' cursor; the values there become columns.
        train: show training instead of validation values at the cursor.
    """
    columns = [*_at_cursor(*cursor, train=train), *RESULTS] if cursor else list(RESULTS)
    names = max(8, min(48, max(cell_len(run.name) for run in runs), width - 5 - sum(c.width for c in columns[:6])))
    while len(columns) > 1 and sum(column.width for column in columns) > width - 5 - names:
        columns.pop()
    winners = [_winners(column, runs) for column in columns]
    head = " " * (5 + names) + "".join(f"{column.title:>{column.width}}" for column in columns)
    lines = [Content.styled(head, HEAD)]
    for letter, colour, run in zip(LETTERS, colours, runs, strict=False):
        mark, style = STATUS_SYMBOLS[run.status]
        line = Content.assemble((letter, f"bold {colour}"), " ", (mark, style), f" {fitted(run.name, names)} ")
        for column, best in zip(columns, winners, strict=True):
            text = f"{'★ ' if run in best else ''}{column.text(run)}"
            line += Content.styled(f"{text:>{column.width}}", "bold" if run in best else "")
        lines.append(line)
    return lines


def difference_lines(runs: Sequence[RunState], colours: Sequence[str], width: int) -> list[Content]:
    """One line per field in which the recipes differ, one column per run."""
    rows = differences([flat(run.recipe) for run in runs])
    if not rows:
        return [Content.styled("The recipes are identical.", "$text-muted")]
    natural = 1 + max(widest(values) for _, values in rows)
    names = min(widest(name for name, _ in rows), max(12, width - natural * len(runs)))
    room = max(6, min(24, (width - names) // len(runs)))
    head = Content(" " * names)
    for letter, colour in zip(LETTERS[: len(runs)], colours, strict=False):
        head += Content.styled(f"{letter:>{room}}", f"bold {colour}")
    # The end of a name says more than its beginning.
    cut = (ending(name, names) for name, _ in rows)
    return [head, *(_difference(name, values, names, room) for name, (_, values) in zip(cut, rows, strict=True))]


def _difference(name: str, values: Sequence[str], names: int, room: int) -> Content:
    line = Content.styled(fitted(name, names), HEAD)
    for value in values:
        # The end of a path says more than its beginning.
        line += fitted(ending(value, room - 1), room, right=True)
    return line


def _at_cursor(unit: str, x: float, *, train: bool) -> list[Column]:
    """Columns with the values at the charts' cursor; dashes for a run that has not come that far."""

    def figure(run: RunState, what: str) -> float:
        if not run.history or x > getattr(run.history[-1], unit):
            return nan
        row = run.history[run.history.nearest(unit, x)]
        return float(getattr(row, f"{'train' if train else 'val'}_{what}"))

    return [
        Column(f"loss@{x:.0f}", 12, lambda run: loss(figure(run, "loss"))),
        Column(f"acc@{x:.0f}", 10, lambda run: percent(figure(run, "accuracy"))),
    ]


def _winners(column: Column, runs: Sequence[RunState]) -> list[RunState]:
    """The runs that are best in a column, of each dataset; none of those that are all equal."""
    best: list[RunState] = []
    for dataset in {run.dataset for run in runs} if column.rank is not None else ():
        of_one = [run for run in runs if run.dataset == dataset]
        ranks = {id(run): rank for run in of_one if (rank := column.rank(run)) == rank}  # type: ignore[misc]
        if len(set(ranks.values())) > 1:
            best += [run for run in of_one if ranks.get(id(run)) == max(ranks.values())]
    return best


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
        Binding("tab", "pane(1)", "pane", id="compare.next_pane", tooltip="Next panel"),
        Binding("shift+tab", "pane(-1)", "previous panel", show=False, id="compare.previous_pane"),
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
