"""The columns of the Runs screen, each declared once: title, cell, width, and its value for sorting and filtering."""

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from textual.content import Content

from core.runs.summary import LIVING, Summary
from tui.text import formatting
from tui.text.cells import bar, fitted
from tui.text.status_symbols import state_label

STATES = ("running", "paused", "queued", "created", "lost", "failed", "stopped", "finished")
"""Sorted by how much they need attention."""
BAR = 8
"""Cells of the progress bar."""
COUNT = 7
"""Cells of the epochs, as many as 100/100 takes; a longer count becomes a percentage."""
AUTOMATIC_NAME = re.compile(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_")
"""Start of the name of a run that its user has not named."""

Unit = Literal["text", "fraction", "count", "duration", "time"]


@dataclass(frozen=True)
class Column:
    key: str
    """Its name in the filter and in the setting ``sort``."""
    title: str
    unit: Unit
    value: Callable[[Summary], str | float | None]
    """What the filter compares; None where there is nothing."""
    cell: Callable[[Summary], Content | str]
    width: int = 0
    """Cells; 0 shares what the other columns leave."""
    right: bool = False
    """Whether it is right-aligned."""
    order: Callable[[Summary], Any] | None = None
    """Sort key, where it is not the value."""
    narrow: Mapping[str, Any] | None = field(default_factory=dict)
    """Attributes that differ below 100 columns; None leaves the column out."""

    def sort_key(self, run: Summary) -> Any:
        """None sorts last, in ascending and descending order."""
        if self.order is not None:
            return self.order(run)
        value = self.value(run)
        return value.casefold() if isinstance(value, str) else value


@dataclass(frozen=True)
class PlacedColumn:
    """A column and the cells that it has."""

    column: Column
    width: int


def progress(run: Summary) -> float:
    """Fraction of the epochs asked for."""
    return min(1.0, run.epochs_done / run.epochs) if run.epochs else 0.0


def is_alive(run: Summary) -> bool:
    return run.state in LIVING


def _started(run: Summary) -> str:
    then = formatting.local_time(run.started)
    if then is None:
        return formatting.DASH
    return time.strftime("%d %b %H:%M" if then.tm_year == time.localtime().tm_year else "%d %b %Y", then)


def _started_short(run: Summary) -> str:
    """The time of a run started today, or the day of an older one."""
    then = formatting.local_time(run.started)
    if then is None:
        return formatting.DASH
    return time.strftime("%H:%M" if then[:3] == time.localtime()[:3] else "%d %b", then)


def _epochs(run: Summary) -> str:
    if not run.epochs:
        return formatting.DASH
    count = f"{run.epochs_done}/{run.epochs}"
    return count if len(count) <= COUNT else f"{progress(run):.0%}"


def _progress_bar(run: Summary) -> Content:
    colour = "$train" if is_alive(run) else "$faint"
    return Content.assemble((f"{bar(progress(run), BAR):<{BAR}}", colour), " ", f"{_epochs(run):>{COUNT}}")


def _state(run: Summary) -> Content:
    """A queued run's place stands beside its state."""
    return state_label(f"{run.state} {run.place}" if run.place else run.state)


def _name_or_dataset(run: Summary) -> str:
    """Where there is no room for names: the name if the user gave one, otherwise the dataset."""
    return run.dataset if AUTOMATIC_NAME.match(run.name) else run.name


COLUMNS = {
    column.key: column
    for column in (
        Column(
            "state",
            "state",
            "text",
            lambda run: run.state,
            _state,
            10,
            order=lambda run: STATES.index(run.state) if run.state in STATES else len(STATES),
        ),
        Column("name", "name", "text", lambda run: run.name, lambda run: run.name, narrow=None),
        Column("model", "model", "text", lambda run: run.model, lambda run: run.model, 13),
        Column(
            "dataset",
            "dataset",
            "text",
            lambda run: run.dataset,
            lambda run: run.dataset,
            narrow={"title": "run", "cell": _name_or_dataset},
        ),
        Column(
            "progress",
            "progress",
            "fraction",
            progress,
            _progress_bar,
            BAR + 1 + COUNT,
            narrow={"title": "epochs", "cell": _epochs, "width": COUNT, "right": True},
        ),
        Column(
            "val",
            "val acc",
            "fraction",
            lambda run: run.best_val_accuracy,
            lambda run: formatting.percent(run.best_val_accuracy),
            8,
            right=True,
            narrow={"title": "val", "width": 7},
        ),
        Column(
            "test",
            "test acc",
            "fraction",
            lambda run: run.test_accuracy,
            lambda run: formatting.percent(run.test_accuracy),
            9,
            right=True,
            narrow={"title": "test", "width": 7},
        ),
        Column(
            "started",
            "started",
            "time",
            lambda run: run.started,
            _started,
            12,
            right=True,
            narrow={"title": "start", "cell": _started_short, "width": 6},
        ),
        Column(
            "time",
            "time",
            "duration",
            lambda run: run.seconds,
            lambda run: formatting.clock(run.seconds),
            9,
            right=True,
            narrow={"width": 8},
        ),
    )
}
"""In the order of the table. A new column is one entry here; the filter and the setting ``sort`` know it by its key."""


def layout(width: int) -> list[PlacedColumn]:
    """The columns for a table of ``width`` cells, one cell apart; names and datasets share the remaining width."""
    narrow = width < 100
    columns = list(COLUMNS.values())
    if narrow:
        columns = [replace(column, **column.narrow) for column in columns if column.narrow is not None]
    room = width - (len(columns) - 1) - sum(column.width for column in columns)
    name = 0 if narrow else min(44, max(8, room * 2 // 3))
    flexible = {"name": name, "dataset": min(28, max(4, room - name))}
    return [PlacedColumn(column, column.width or flexible[column.key]) for column in columns]


def ordered(runs: Iterable[Summary], key: str, descending: bool) -> list[Summary]:
    """The runs sorted by a column; those without a value last, ties by start, the newest first."""
    column = COLUMNS[key]
    newest = sorted(runs, key=lambda run: (run.started is not None, -(run.started or 0.0), run.name))
    known = [run for run in newest if column.sort_key(run) is not None]
    known.sort(key=column.sort_key, reverse=descending)
    return known + [run for run in newest if column.sort_key(run) is None]


def line(run: Summary, columns: Iterable[PlacedColumn]) -> Content:
    """The run's cells, each in its column."""
    cells = []
    for placed in columns:
        cell = placed.column.cell(run)
        if isinstance(cell, str):
            cells.append(Content(fitted(cell, placed.width, right=placed.column.right)))
        else:
            cells.append(cell.truncate(placed.width).pad_right(max(0, placed.width - cell.cell_length)))
    return Content(" ").join(cells)


def header(columns: Iterable[PlacedColumn], key: str, descending: bool) -> Content:
    """The titles, with an arrow on the column sorted by."""
    titles = []
    for placed in columns:
        here = placed.column.key == key
        title = f"{placed.column.title}{'▼' if descending else '▲'}" if here else placed.column.title
        text = fitted(title, placed.width, right=placed.column.right)
        titles.append(Content.styled(text, "bold $foreground" if here else "$text-muted"))
    return Content(" ").join(titles)
