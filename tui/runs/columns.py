"""The columns of the Runs screen: what each shows, how wide it is, and what it is sorted by."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from textual.content import Content

from tui.runs.row import RunRow
from tui.text import formatting
from tui.text.cells import fitted
from tui.text.status_symbols import state_label

STATES = ("running", "paused", "created", "lost", "failed", "stopped", "finished")
"""In the order in which they ask for attention."""
BAR = 8
"""Cells of the progress bar, where there is room for one."""
COUNT = 7
"""Cells of the epochs: as many as 100/100 takes; longer ones are a percentage."""


@dataclass(frozen=True)
class Column:
    key: str
    title: str
    cell: Callable[[RunRow], Content | str]
    sort: Callable[[RunRow], object]
    """A value to sort by; None goes to the end in either direction."""
    width: int = 0
    """Cells; 0 shares what the others leave."""
    right: bool = False
    """Whether figures stand at the right edge, one under the other."""


@dataclass(frozen=True)
class Placed:
    """A column with the room it has."""

    column: Column
    width: int


def _started(row: RunRow) -> str:
    if row.started is None:
        return formatting.DASH
    then = time.localtime(row.started)
    form = "%d %b %H:%M" if then.tm_year == time.localtime().tm_year else "%d %b %Y"
    return time.strftime(form, then)


def _started_briefly(row: RunRow) -> str:
    """The time of a run of today, or the day of an older one."""
    if row.started is None:
        return formatting.DASH
    then = time.localtime(row.started)
    return time.strftime("%H:%M" if then[:3] == time.localtime()[:3] else "%d %b", then)


def _epochs(row: RunRow) -> str:
    if not row.epochs:
        return formatting.DASH
    count = f"{row.epochs_done}/{row.epochs}"
    return count if len(count) <= COUNT else f"{row.progress:.0%}"


def _bar(row: RunRow) -> Content:
    half_cells = round(row.progress * BAR * 2)
    full, half = divmod(half_cells, 2)
    bar = "━" * full + "╸" * half
    colour = "$train" if row.alive else "$faint"
    return Content.assemble((f"{bar:<{BAR}}", colour), " ", f"{_epochs(row):>{COUNT}}")


STATE = Column("state", "state", lambda row: state_label(row.state), lambda row: _rank(row.state), 10)
NAME = Column("name", "name", lambda row: row.name, lambda row: row.name.casefold())
MODEL = Column("model", "model", lambda row: row.model, lambda row: row.model, 13)
DATASET = Column("dataset", "dataset", lambda row: row.dataset, lambda row: row.dataset.casefold())
PROGRESS = Column("progress", "progress", _bar, lambda row: row.progress, BAR + 1 + COUNT)
VAL = Column("val", "val acc", lambda row: formatting.percent(row.val), lambda row: row.val, 8, right=True)
TEST = Column("test", "test acc", lambda row: formatting.percent(row.test), lambda row: row.test, 9, right=True)
STARTED = Column("started", "started", _started, lambda row: row.started, 12, right=True)
TIME = Column("time", "time", lambda row: formatting.clock(row.seconds), lambda row: row.seconds, 9, right=True)

WIDE = (STATE, NAME, MODEL, DATASET, PROGRESS, VAL, TEST, STARTED, TIME)
NARROW = (
    STATE,
    MODEL,
    # Where there is no room for names: the name that somebody gave, or else the dataset.
    replace(DATASET, title="run", cell=lambda row: row.name if row.named else row.dataset),
    replace(PROGRESS, title="epochs", cell=_epochs, width=COUNT, right=True),
    replace(VAL, title="val", width=7),
    replace(TEST, title="test", width=7),
    replace(STARTED, title="start", cell=_started_briefly, width=6),
    replace(TIME, width=8),
)
COLUMNS = {column.key: column for column in WIDE}
"""All there are to sort by, in the order of the table."""


def _rank(state: str) -> int:
    return STATES.index(state) if state in STATES else len(STATES)


def layout(width: int) -> list[Placed]:
    """The columns for a table of ``width`` cells, one cell apart; the texts share what the figures leave."""
    narrow = width < 100
    columns = NARROW if narrow else WIDE
    room = width - (len(columns) - 1) - sum(column.width for column in columns)
    name = 0 if narrow else min(44, max(8, room * 2 // 3))
    flexible = {"name": name, "dataset": min(28, max(4, room - name))}
    return [Placed(column, column.width or flexible[column.key]) for column in columns]


def ordered(rows: Iterable[RunRow], key: str, descending: bool) -> list[RunRow]:
    """The rows by a column; those without a value last, equal ones by their start, the newest first."""
    column = COLUMNS[key]
    newest = sorted(rows, key=lambda row: (row.started is not None, -(row.started or 0.0), row.name))
    known = [row for row in newest if column.sort(row) is not None]
    known.sort(key=column.sort, reverse=descending)  # type: ignore[arg-type]
    return known + [row for row in newest if column.sort(row) is None]


def line(row: RunRow, columns: Iterable[Placed]) -> Content:
    """The row's cells, each in its column."""
    cells = []
    for place in columns:
        cell = place.column.cell(row)
        if isinstance(cell, str):
            cells.append(Content(fitted(cell, place.width, right=place.column.right)))
        else:
            cells.append(cell.pad_right(max(0, place.width - cell.cell_length)))
    return Content(" ").join(cells)


def header(columns: Iterable[Placed], key: str, descending: bool) -> Content:
    """The titles; the one that is sorted by has an arrow."""
    titles = []
    for place in columns:
        here = place.column.key == key
        title = f"{place.column.title}{'▼' if descending else '▲'}" if here else place.column.title
        text = fitted(title, place.width, right=place.column.right)
        titles.append(Content.styled(text, "bold $foreground" if here else "$text-muted"))
    return Content(" ").join(titles)
