"""The Runs mode: a live table of all runs, and every action on them."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import msgspec
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Container, Horizontal, Vertical
from textual.content import Content
from textual.widgets import Input, Static

from core.runs.directory import elsewhere, registered
from core.runs.summary import RunList, Summary
from core.training.evaluation.significance import baseline_of
from core.util.errors import UserError
from tui.runs.columns import COLUMNS, USUAL, is_alive, ordered
from tui.runs.detail import RunDetail
from tui.runs.filter import FilterError, Test, parse_filter
from tui.runs.run_commands import RunCommands
from tui.runs.table import ColumnPicker, Group, RunTable, RunTableHeader, Welcome, grouped
from tui.shell.panels import frame, key_of
from tui.shell.settings import RunsView, load_view, runs_view_file, save_view
from tui.widgets.text import FilterInput

POLL_SECONDS = 1.0
"""Seconds between two reads of the journals."""
BESIDE, BELOW = 120, 30
"""Columns from which the detail is beside the list, and rows from which it is below; else enter shows it."""
COMPARED = range(2, 9)
"""Numbers of runs that can be compared."""

RUN = Binding.Group("The run under the cursor")
LIST = Binding.Group("The list of runs")


class RunsScreen(RunCommands):
    MODE = "runs"
    HELP = (
        "All runs, read from their journals. A filter consists of terms that must all match: jazz  !lost  "
        "/seed_(cnn|net)/  model=seed_cnn  val>0.7  time>1h  started=today  tag=paper  lr>0.001  optimiser.name=adamw"
    )
    CSS_PATH = "../styles/runs.tcss"
    BINDINGS: ClassVar = [
        Binding("n", "new", "new run", id="runs.new", tooltip="A new run, with the recipe of the one under the cursor"),
        Binding(
            "slash", "filter", "filter", key_display="/", id="runs.filter", group=LIST, tooltip="Filter as you type"
        ),
        Binding(
            "s",
            "stop",
            "stop",
            id="runs.stop",
            group=RUN,
            tooltip="Stop at the next batch; test the best model and report",
        ),
        Binding("r", "resume", "resume", id="runs.resume", group=RUN, tooltip="Resume exactly where the run stopped"),
        Binding("e", "extend", "extend", id="runs.extend", group=RUN, tooltip="Train for more epochs"),
        Binding(
            "space", "mark", "mark", id="runs.mark", group=LIST, tooltip="Mark the run; two to eight can be compared"
        ),
        Binding("c", "compare", "compare", id="runs.compare", group=LIST, tooltip="Compare the marked runs"),
        Binding(
            "p",
            "pause",
            "pause",
            id="runs.pause",
            group=RUN,
            tooltip="Pause at the next batch, or resume what is paused",
        ),
        Binding(
            "f",
            "everywhere",
            "all folders",
            show=False,
            id="runs.everywhere",
            group=LIST,
            tooltip="Show the runs of all folders, or only of this one and live ones",
        ),
        Binding(
            "shift+up",
            "earlier",
            "earlier",
            show=False,
            id="runs.earlier",
            group=RUN,
            tooltip="Move a queued run one place to the front",
        ),
        Binding(
            "shift+down",
            "later",
            "later",
            show=False,
            id="runs.later",
            group=RUN,
            tooltip="Move a queued run one place to the back",
        ),
        Binding(
            "b",
            "pin",
            "baseline",
            show=False,
            id="runs.pin",
            group=RUN,
            tooltip="Make the run the baseline of its folder, or undo that",
        ),
        Binding("t", "tags", "tags", show=False, id="runs.tags", group=RUN, tooltip="Change the run's tags"),
        Binding("i", "note", "note", show=False, id="runs.note", group=RUN, tooltip="Write a note about the run"),
        Binding("y", "copy", "copy path", id="runs.copy", group=RUN, tooltip="Copy the path of the run's folder"),
        Binding("f2", "rename", "rename", show=False, id="runs.rename", group=RUN, tooltip="Rename the run"),
        Binding(
            "d,delete", "delete", "delete", id="runs.delete", group=RUN, tooltip="Move the run to the trash folder"
        ),
        Binding(
            "less_than_sign",
            "sort(-1)",
            "sort",
            key_display="<",
            id="runs.sort_left",
            group=LIST,
            tooltip="Sort by the column to the left",
        ),
        Binding(
            "greater_than_sign",
            "sort(1)",
            "sort",
            show=False,
            id="runs.sort_right",
            group=LIST,
            tooltip="Sort by the column to the right",
        ),
        Binding("R", "reverse", "reverse", show=False, id="runs.reverse", group=LIST, tooltip="Reverse the sort order"),
        Binding("C", "columns", "columns", id="runs.columns", group=LIST, tooltip="Choose the columns"),
        Binding(
            "S",
            "seeds",
            "seeds",
            show=False,
            id="runs.seeds",
            group=LIST,
            tooltip="Group the runs of one recipe, with mean and deviation over their seeds",
        ),
        Binding("g", "demo", "demo data", id="runs.demo", tooltip="Create a small synthetic dataset to try things out"),
        Binding(
            "escape",
            "back",
            "back",
            show=False,
            id="runs.back",
            group=LIST,
            tooltip="Clear the filter, then the marks; leave the detail",
        ),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.runs = RunList(self.app.runs_dir, "live")
        self.rows: list[Summary] = []
        settings = self.app.settings
        view = load_view(runs_view_file(), RunsView(sort=settings.sort, descending=settings.descending))
        columns = tuple(key for key in COLUMNS if key in view.columns)
        sort = next(key for key in (view.sort, settings.sort, "started") if key in COLUMNS)
        self.view = msgspec.structs.replace(view, columns=columns or USUAL, sort=sort)
        self.sort_key = self.view.sort
        self.descending = self.view.descending
        self.matches: Test = parse_filter("")
        self._reading = False
        self._read_once = False
        self._trouble = ""

    def compose_body(self) -> ComposeResult:
        with Container(id="body"):
            with Vertical(id="list", classes="panel"):
                with Horizontal(id="filter"):
                    yield Static("/")
                    yield FilterInput(compact=True, placeholder="words  !not  model=seed_cnn  val>0.7  lr>1e-3  tag=x")
                yield Static("", id="found")
                table = RunTable()
                table.chosen = self.view.columns
                yield RunTableHeader(table, self.sort_key, self.descending)
                yield table
                yield Welcome(id="welcome")
            yield RunDetail(id="detail", classes="panel")

    def on_mount(self) -> None:
        self._show_filter(False)
        self.table.focus()
        if self.app.settings.sort not in COLUMNS:
            columns = ", ".join(COLUMNS)
            self.notify(f"Setting sort: there is no column {self.app.settings.sort!r} ({columns}).", severity="warning")
        self.refresh_runs()
        self.poll(POLL_SECONDS, self.refresh_runs)

    @property
    def table(self) -> RunTable:
        return self.query_one(RunTable)

    @property
    def current(self) -> Summary | None:
        return self.table.current

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "demo":
            return not self.rows  # in the list, the same key goes to the first row
        if action in {"filter", "mark", "compare", "sort", "reverse", "columns", "seeds"} and self.is_mounted:
            return bool(self.rows)
        return super().check_action(action, parameters)

    # The rows

    def refresh_runs(self) -> None:
        """Read what is new in the journals, unless a read is under way."""
        if not self._reading:
            self._reading = True
            self._read()

    @work(thread=True)
    def _read(self) -> None:
        try:
            rows = self.runs.refresh(save=False)
            others = len(elsewhere(registered(), self.app.runs_dir)) if not rows and not self._read_once else 0
            self.call_later(self._take, rows, others=others)
            self.runs.save()
        except UserError as error:
            self.call_later(self._take, [], str(error))
        finally:
            self._reading = False

    def _take(self, rows: list[Summary], trouble: str = "", others: int = 0) -> None:
        """
        Args:
            trouble: why there are no rows.
            others: how many runs other folders have, where there are no rows.
        """
        if others:
            self.query_one(Welcome).show(others=others)
        if trouble != self._trouble:
            self._trouble = trouble
            self.query_one(Welcome).show(trouble)
        if rows != self.rows or not self._read_once:
            self.rows, self._read_once = rows, True
            self.show_rows()
        elif (row := self.table.current) is not None and is_alive(row):
            self._show_detail(row)

    def show_rows(self) -> None:
        """Show the rows that pass the filter, in order."""
        matching = ordered([row for row in self.rows if self.matches(row)], self.sort_key, self.descending)
        self.table.show(grouped(matching) if self.view.grouped else matching)
        self.set_class(not self.rows, "-empty")
        if self.rows and self.focused is None:
            self.call_after_refresh(self.table.focus)  # it was not displayed before, and so not focusable
        self.query_one(RunTableHeader).refresh()  # names may take more or less room
        if self.has_class("-filtering"):
            self._say("No run matches." if self.rows and not matching else "")
        self._frame(len(matching))

    def _frame(self, matching: int) -> None:
        """The counts in the title of the list, and its keys."""
        states = {state: sum(row.state == state for row in self.rows) for state in ("running", "paused", "queued")}
        counts = [str(len(self.rows)) if matching == len(self.rows) else f"{matching} of {len(self.rows)}"]
        counts += [f"{number} {state}" for state, number in states.items() if number]
        counts += ["seeds of a recipe together"] if self.view.grouped else []
        names = ("filter", "columns", "seeds", "compare")
        keys = [(key_of(self, f"runs.{name}"), name) for name in names]
        frame(
            self.query_one("#list"), f"runs  {' · '.join(counts)}" if self.rows else "runs", keys if self.rows else ()
        )

    @on(RunTable.Moved)
    def preview_current(self) -> None:
        self._show_detail(self.table.current)
        self.refresh_bindings()

    def _show_detail(self, row: Summary | None) -> None:
        self.query_one(RunDetail).show_run(row, baseline_of(row, self.rows))

    def action_everywhere(self) -> None:
        self.runs.scope = "live" if self.runs.scope == "all" else "all"
        self.notify(
            "Runs of all folders" if self.runs.scope == "all" else "Runs of this folder, and live ones of others"
        )
        self.refresh_runs()

    # Order and filter

    @on(RunTableHeader.Clicked)
    def sort_by_click(self, event: RunTableHeader.Clicked) -> None:
        if event.key == self.sort_key:
            self.action_reverse()
        else:
            self._sort(event.key, self.descending)

    def action_sort(self, by: int) -> None:
        keys = [placed.column.key for placed in self.table.columns]
        here = keys.index(self.sort_key) if self.sort_key in keys else -by
        self._sort(keys[(here + by) % len(keys)], self.descending)

    def action_reverse(self) -> None:
        self._sort(self.sort_key, not self.descending)

    def action_columns(self) -> None:
        self.app.push_screen(ColumnPicker(self.view.columns, self._choose_columns, self._columns_in_view))

    def _choose_columns(self, columns: tuple[str, ...]) -> None:
        self.table.chosen = columns
        self._keep(columns=columns)
        self.show_rows()

    def _columns_in_view(self) -> set[str]:
        return {placed.column.key for placed in self.table.columns}

    def action_seeds(self) -> None:
        self._keep(grouped=not self.view.grouped)
        self.show_rows()

    def _keep(self, **changes: object) -> None:
        self.view = msgspec.structs.replace(self.view, **changes)
        save_view(runs_view_file(), self.view)

    def _sort(self, key: str, descending: bool) -> None:
        self.sort_key, self.descending = key, descending
        self._keep(sort=key, descending=descending)
        self.query_one(RunTableHeader).sort_by(key, descending)
        self.show_rows()

    def action_filter(self) -> None:
        self._show_filter(True)
        self.query_one(FilterInput).focus()

    def _show_filter(self, shown: bool) -> None:
        self.set_class(shown, "-filtering")
        self._say("")
        # A hidden field must not receive keys.
        self.query_one(FilterInput).can_focus = shown

    @on(Input.Changed)
    def filter_as_typed(self, event: Input.Changed) -> None:
        """An invalid term leaves the rows unchanged and its error below the field."""
        try:
            self.matches = parse_filter(event.value)
        except FilterError as error:
            self._say(str(error))
        else:
            self.show_rows()

    def _say(self, text: str) -> None:
        """Show the error of the filter below it."""
        said = self.query_one("#found", Static)
        said.update(Content.styled(text, "$warn"))
        said.display = bool(text)

    @on(Input.Submitted)
    def leave_filter(self) -> None:
        self.table.focus()
        self._show_filter(bool(self.query_one(FilterInput).value))

    def action_back(self) -> None:
        """Clear the filter; without one leave the detail, or clear the marks."""
        field = self.query_one(FilterInput)
        if field.has_focus or field.value:
            field.value = ""
            self.table.focus()
            self._show_filter(False)
        elif self.has_class("-detail"):
            self._show_panel(detail=False)
        elif self.table.marked:
            self.table.clear_marks()

    # Other screens

    @on(RunTable.Chosen, "RunTable")
    @on(RunTable.Chosen, "#detail-lines")
    async def open_chosen(self, event: RunTable.Chosen) -> None:
        """Watch the run; where the detail has no room beside the list, show that first."""
        if isinstance(self.table.current_row, Group):
            await self._compare([Path(run.path) for run in self.table.current_row.runs])
        elif self.has_class("-one-panel") and not self.has_class("-detail"):
            self._show_panel(detail=True)
        elif self.current is not None:
            await self.app.watch_run(Path(self.current.path))

    def _show_panel(self, *, detail: bool) -> None:
        """Where there is room for one panel only, show the detail or the list, and give it the keys."""
        self.set_class(detail, "-detail")
        target = self.query_one("#detail-lines") if detail else self.table
        self.call_after_refresh(target.focus)

    def on_resize(self) -> None:
        super().on_resize()
        width, height = self.app.size
        self.set_class(width >= BESIDE, "-beside")
        self.set_class(self.app.width_class == "narrow" or (width < BESIDE and height < BELOW), "-one-panel")

    def action_new(self) -> None:
        from tui.new_run.screen import NewRunScreen

        run = self.current
        self.app.push_screen(NewRunScreen(like=None if run is None else Path(run.path)))

    def action_mark(self) -> None:
        """Mark the run, or all of a group; without the mark where all have it already."""
        row = self.table.current_row
        paths = [Path(run.path) for run in (row.runs if isinstance(row, Group) else [row] if row is not None else [])]
        unmarked = [path for path in paths if path not in self.table.marked]
        for path in unmarked or paths:
            if unmarked and len(self.table.marked) >= COMPARED.stop - 1:
                most = COMPARED.stop - 1
                self.notify(f"At most {most} runs can be compared; unmark one first.", severity="warning")
                return
            self.table.toggle_mark(path)

    async def action_compare(self) -> None:
        here = {Path(row.path) for row in self.rows}
        await self._compare([path for path in self.table.marked if path in here])

    async def _compare(self, runs: Sequence[Path]) -> None:
        if len(runs) in COMPARED:
            await self.app.compare_runs(runs)
        else:
            self.notify("Mark two to eight runs with space, then compare them with c.", severity="warning")

    @work
    async def action_demo(self) -> None:
        from tui.new_run.dataset_panel import DemoScreen

        folder = await self.app.push_screen_wait(DemoScreen())
        if folder is not None:
            from tui.new_run.screen import NewRunScreen

            self.app.push_screen(NewRunScreen(folder))
