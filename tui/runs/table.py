"""The table of runs, with seeds of one recipe as a group, what stands in place of an empty one, and the dialog that
chooses its columns.

The table makes only the rows in view and draws what changed."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Static

from core.runs.summary import Summary, but_for_the_seed
from core.util.text import counted
from tui.charts.run_charts import LETTERS
from tui.formatting import DASH, padded, shown, widest
from tui.runs.columns import COLUMNS, USUAL, PlacedColumn, header, layout, line, widest_texts
from tui.shell.base import BaseApp
from tui.shell.panels import Dialog, frame
from tui.widgets.row_list import RowList, column_at
from tui.widgets.text import clipped


@dataclass(frozen=True)
class Group:
    """Two or more runs of one recipe, in the order of the list."""

    runs: tuple[Summary, ...]


Row = Summary | Group


def grouped(runs: Iterable[Summary]) -> list[Row]:
    """The runs with those of one recipe next to each other, below a heading; the first has its place."""
    members: dict[object, list[Summary]] = {}
    for run in runs:
        key = but_for_the_seed(run.recipe)
        members.setdefault((key, run.dataset) if key else run.path, []).append(run)
    rows: list[Row] = []
    for group in members.values():
        rows += [Group(tuple(group)), *group] if len(group) > 1 else group
    return rows


def spread(values: Iterable[float | None]) -> str:
    """``71.2 ± 1.1%``, of the values that are known."""
    known = [value for value in values if value is not None]
    if not known:
        return DASH
    deviation = f" ± {100 * stdev(known):.1f}" if len(known) > 1 else ""
    return f"{100 * mean(known):.1f}{deviation}%"


def heading(group: Group) -> Content:
    """``▾ 3 seeds of quick, small_cnn   val 71.2 ± 1.1%   test 70.1 ± 0.9%``"""
    first = group.runs[0]
    name = ", ".join(str(part) for part in (first.recipe.get("preset"), first.model, first.dataset) if part)
    return Content.assemble(
        ("▾ ", "$text-muted"),
        (f"{counted(len(group.runs), 'run')} of {name}", "bold"),
        ("   val ", "$text-muted"),
        spread(run.best_val_accuracy for run in group.runs),
        ("   test ", "$text-muted"),
        spread(run.test_accuracy for run in group.runs),
    )


INDENT = 4
"""Cells before a row: two for the cursor, two for its letter among the marked runs."""


class RunTable(RowList):
    BINDING_GROUP_TITLE = "The list of runs"
    BINDINGS: ClassVar = [Binding("enter", "choose", "watch", id="runs.open", tooltip="Watch the run")]
    has_cursor = True
    app: BaseApp

    class Moved(Message):
        """The cursor is on another run, or the run under it has changed."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.rows: list[Row] = []
        self.chosen: Sequence[str] = USUAL
        """Keys of the chosen columns."""
        self.sorted_by = ""
        """Key of the column sorted by, which is always shown."""
        self._widest: dict[str, int] = {}
        """Cells of the widest text in each column of text."""
        self.marked: list[Path] = []
        """Folders of the marked runs, in the order of marking."""
        self._announced: Summary | None = None

    @property
    def current(self) -> Summary | None:
        """The run under the cursor; None on the heading of a group."""
        row = self.current_row
        return row if isinstance(row, Summary) else None

    @property
    def current_row(self) -> Row | None:
        return self.rows[self.cursor] if self.cursor < len(self.rows) else None

    def show(self, rows: Sequence[Row]) -> None:
        """Show these rows; the cursor stays on its run, or at its position if the run is gone."""
        on = self.current
        runs = {row.path: i for i, row in enumerate(rows) if isinstance(row, Summary)}
        place = runs.get(on.path if on else "", min(self.cursor, len(rows) - 1))
        self._widest = widest_texts([row for row in rows if isinstance(row, Summary)])
        self.rows = list(rows)
        self.cursor = max(0, place)
        self.rows_changed()
        self._announce()

    def go_to(self, path: Path) -> None:
        """Put the cursor on a run, if it is listed."""
        for index, row in enumerate(self.rows):
            if isinstance(row, Summary) and row.path == str(path):
                self._move_cursor(index)

    def clear_marks(self) -> None:
        self.marked.clear()
        self.rows_changed()

    def toggle_mark(self, path: Path) -> None:
        if path in self.marked:
            self.marked.remove(path)
        else:
            self.marked.append(path)
        self.rows_changed()

    @property
    def columns(self) -> list[PlacedColumn]:
        return layout(self.row_width - 2, self.chosen, self._widest, self.sorted_by)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Without rows its keys are free for the screen, whose ``g`` creates demo data."""
        return bool(self.rows)

    def row_count(self) -> int:
        return len(self.rows)

    def row(self, index: int, width: int) -> Content:
        row = self.rows[index]
        if isinstance(row, Group):
            return clipped(heading(row), width)
        path = Path(row.path)
        if path not in self.marked:
            return Content("  ") + line(row, self.columns)
        place = self.marked.index(path)  # letter and colour are those of the comparison
        return Content.assemble((f"{LETTERS[place]} ", f"bold {self.app.palette.series[place]}")) + line(
            row, self.columns
        )

    def _move_cursor(self, to: int) -> None:
        super()._move_cursor(to)
        self._announce()

    def _announce(self) -> None:
        if self.current != self._announced:
            self._announced = self.current
            self.post_message(self.Moved())


class RunTableHeader(Widget):
    """The titles of the table below; a click on one sorts by it."""

    can_focus = False

    class Clicked(Message):
        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    def __init__(self, table: RunTable, key: str, descending: bool) -> None:
        super().__init__()
        self.table = table
        table.sorted_by = self.key = key
        self.descending = descending

    def sort_by(self, key: str, descending: bool) -> None:
        self.key, self.descending = key, descending
        self.table.sorted_by = key
        self.refresh()

    def render(self) -> Content:
        return Content(" " * INDENT) + header(self.table.columns, self.key, self.descending)

    def on_click(self, event: events.Click) -> None:
        columns = [(placed.column.key, placed.width) for placed in self.table.columns]
        if (key := column_at(columns, event.x, INDENT)) is not None:
            self.post_message(self.Clicked(key))


class ColumnList(RowList):
    has_cursor = True

    def __init__(self, chosen: Iterable[str], in_view: Callable[[], set[str]]) -> None:
        """
        Args:
            in_view: the keys of the columns for which the list of runs has room.
        """
        super().__init__()
        self.chosen = set(chosen)
        self._in_view = in_view
        self.columns = list(COLUMNS.values())

    def on_mount(self) -> None:
        self.styles.height = len(self.columns) + 2  # the frame's
        self.rows_changed()

    def row_count(self) -> int:
        return len(self.columns)

    def row(self, index: int, width: int) -> Content:
        column = self.columns[index]
        names = widest(other.title for other in self.columns)
        mark = ("✓ ", "$good") if column.key in self.chosen else "  "
        about = Content.styled(column.about, "$text-muted")
        if column.key in self.chosen and column.key not in self._in_view():
            about += Content.styled(f"{'  ' if column.about else ''}no room now", "$warn")
        return Content.assemble(mark, padded(column.title, names + 2)) + about


class Welcome(Static):
    """What to do next, in place of the table while there are no runs."""

    app: BaseApp

    def on_mount(self) -> None:
        self.show()

    def show(self, trouble: str = "", *, others: int = 0) -> None:
        """
        Args:
            trouble: why the runs cannot be listed.
            others: how many runs other folders have.
        """
        if trouble:
            self.update(Content.styled(f"! {trouble}", "$warn"))
            return
        key = "bold $footer-key-foreground"
        offer = Content.assemble(("  f  ", key), f"Show the {counted(others, 'run')} of other folders.\n")
        self.update(
            Content.assemble(
                ("No runs yet", "bold"),
                (f" in {shown(self.app.runs_dir.absolute())}\n\n", "$text-muted"),
                "What to do next:\n\n",
                offer if others else "",
                (f"  {self.app.key_for('mode.classify')}  ", key),
                "Classify your music now: a model is included.\n",
                ("  n  ", key),
                "Train on your music: a folder per genre, a table of genres, or tags.\n",
                ("  g  ", key),
                "No music at hand? Create a small synthetic dataset to try things out.\n",
                ("  ?  ", key),
                "Show all keys. The bottom line shows the most important ones.\n",
            )
        )


class ColumnPicker(Dialog[None]):
    """Enter or space shows the column under the cursor, or hides it."""

    DEFAULT_CSS = "ColumnPicker ColumnList { width: 72; max-width: 100%; max-height: 100%; }"
    BINDINGS: ClassVar = [
        Binding("space", "change", "show or hide"),
        Binding("escape,q,C", "dismiss", "close"),
    ]

    def __init__(
        self, chosen: Iterable[str], change: Callable[[tuple[str, ...]], None], in_view: Callable[[], set[str]]
    ) -> None:
        """
        Args:
            change: takes the chosen columns after each change.
            in_view: the keys of the columns for which the list of runs has room.
        """
        super().__init__()
        self._list = ColumnList(chosen, in_view)
        self._change = change

    def compose(self) -> ComposeResult:
        self._list.add_class("panel")
        frame(self._list, "columns", [("space", "show or hide"), ("esc", "close")])
        yield self._list

    @on(RowList.Chosen)
    def action_change(self) -> None:
        key = self._list.columns[self._list.cursor].key
        if key != "name":  # without names the rows could not be told apart
            self._list.chosen ^= {key}
            self._change(tuple(column for column in COLUMNS if column in self._list.chosen))
            self._list.rows_changed()
