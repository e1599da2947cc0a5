"""The columns of the Runs screen, each declared once: title, cell, width, and its value for sorting and filtering."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rich.cells import cell_len
from textual.content import Content

from core.runs.summary import LIVING, Scalar, Summary
from tui import formatting
from tui.formatting import bar, fitted, sparkline
from tui.widgets.text import state_label

STATES = ("running", "paused", "queued", "created", "lost", "failed", "stopped", "finished")
"""Sorted by how much they need attention."""
COUNT = 7
"""Cells of the epochs, as many as 100/100 takes; a longer count becomes a percentage."""
NAME = 24
"""Cells that a name has before further columns get any."""
BASELINE = "★ "
"""Before the name of a baseline."""

Unit = Literal["text", "fraction", "count", "duration", "time", "points"]
Cell = Content | str


@dataclass(frozen=True)
class Column:
    key: str
    """Its name in the filter, in the choice of columns and in the setting ``sort``."""
    title: str
    unit: Unit
    value: Callable[[Summary], str | float | None]
    """What the filter compares; None where there is nothing."""
    cell: Callable[[Summary, int], Cell]
    """The content of a cell of a given width."""
    width: int
    """Cells at least."""
    most: int = 0
    """Cells at most; 0 for exactly ``width``."""
    weight: int = 1
    """How important it is: where there is too little room, the lightest columns are left out first."""
    right: bool = False
    """Whether it is right-aligned."""
    order: Callable[[Summary], Any] | None = None
    """Sort key, where it is not the value."""
    about: str = ""
    """What it shows, for the choice of columns; empty if the title says it."""

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


def _started(run: Summary, width: int) -> str:
    """With less room, the time of a run started today, or the day of an older one."""
    then = formatting.local_time(run.started)
    if then is None:
        return formatting.DASH
    now = time.localtime()
    if width < 12:
        return time.strftime("%H:%M" if then[:3] == now[:3] else "%d %b", then)
    return time.strftime("%d %b %H:%M" if then.tm_year == now.tm_year else "%d %b %Y", then)


def _progress(run: Summary, width: int) -> Content:
    """The epochs, after a bar where there is room for one."""
    count = f"{run.epochs_done}/{run.epochs}" if run.epochs else formatting.DASH
    count = count if len(count) <= COUNT else f"{progress(run):.0%}"
    cells = width - COUNT - 1
    if cells < 4:
        return Content(f"{count:>{width}}")
    colour = "$running" if is_alive(run) else "$faint"
    return Content.assemble((f"{bar(progress(run), cells):<{cells}}", colour), " ", f"{count:>{COUNT}}")


def _state(run: Summary, width: int) -> Content:
    """A queued run's place stands beside its state."""
    return state_label(f"{run.state} {run.place}" if run.place else run.state)


def _curve(run: Summary, width: int) -> Content:
    return Content.styled(sparkline(run.curve, width), "$val")


def _difference(run: Summary, width: int) -> Content | str:
    if run.difference is None:
        return BASELINE.strip() if run.pinned else formatting.DASH
    better = run.difference >= 0
    return Content.styled(f"{'▲' if better else '▼'}{100 * abs(run.difference):.1f}", "$good" if better else "$bad")


def recipe_number(run: Summary, field: str) -> float | None:
    value: Scalar = run.recipe.get(field)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _text(key: str, title: str, read: Callable[[Summary], str], width: int, most: int, **more: Any) -> Column:
    return Column(key, title, "text", read, lambda run, cells: read(run), width, most, **more)


def _share(key: str, title: str, read: Callable[[Summary], float | None], **more: Any) -> Column:
    return Column(key, title, "fraction", read, lambda run, cells: formatting.percent(read(run)), 6, right=True, **more)


def _recipe(key: str, field: str, title: str, width: int, write: Callable[[float], str], **more: Any) -> Column:
    def read(run: Summary) -> float | None:
        return recipe_number(run, field)

    def cell(run: Summary, cells: int) -> str:
        return formatting.DASH if (value := read(run)) is None else write(value)

    return Column(key, title, "count", read, cell, width, right=True, **more)


_COLUMNS = (
    Column(
        "state",
        "state",
        "text",
        lambda run: run.state,
        _state,
        10,
        weight=10,
        order=lambda run: STATES.index(run.state) if run.state in STATES else len(STATES),
    ),
    Column(
        "name",
        "run",
        "text",
        lambda run: run.name,
        lambda run, cells: (BASELINE if run.pinned else "") + run.name,
        14,
        28,
        weight=99,
    ),
    Column(
        "curve",
        "val curve",
        "fraction",
        lambda run: run.curve[-1] if run.curve else None,
        _curve,
        8,
        40,
        weight=8,
        about="validation accuracy so far",
    ),
    _share("val", "val", lambda run: run.best_val_accuracy, weight=9, about="best validation accuracy"),
    _share("test", "test", lambda run: run.test_accuracy, weight=7, about="test accuracy"),
    Column("progress", "epochs", "fraction", progress, _progress, COUNT, COUNT + 21, weight=6, about="epochs done"),
    Column("started", "started", "time", lambda run: run.started, _started, 8, 12, weight=5, right=True),
    Column(
        "time",
        "time",
        "duration",
        lambda run: run.seconds,
        lambda run, cells: formatting.clock(run.seconds),
        8,
        9,
        weight=4,
        right=True,
        about="how long it trained",
    ),
    _text("model", "model", lambda run: run.model, 9, 16, weight=2),
    _text("dataset", "dataset", lambda run: run.dataset, 9, 28, weight=3),
    _text("preset", "preset", lambda run: str(run.recipe.get("preset") or ""), 7, 12),
    _recipe("lr", "optimiser.learning_rate", "lr", 6, formatting.learning_rate, about="learning rate"),
    _recipe("batch", "batch_size", "batch", 6, "{:g}".format, about="batch size"),
    _recipe("seed", "seed", "seed", 5, "{:.0f}".format),
    Column(
        "base",
        "vs ★",
        "points",
        lambda run: run.difference,
        _difference,
        6,
        right=True,
        weight=8,
        about="difference of the test accuracy from the baseline",
    ),
    _text("gpu", "device", lambda run: run.device_name, 8, 24),
    _text("tags", "tags", lambda run: " ".join(run.tags), 6, 24, weight=2),
)
COLUMNS = {column.key: column for column in _COLUMNS}
"""In the order of the table. A new column is one entry above; filter, sort and choice know it by its key."""
CHOSEN = 10
"""Added to the weight of a column that is chosen beyond the usual ones."""
USUAL = ("state", "name", "curve", "val", "test", "progress", "started", "time", "model", "dataset")
"""The columns that are shown unless others are chosen."""


def layout(
    width: int, chosen: Sequence[str] = USUAL, widest: Mapping[str, int] | None = None, keep: str = ""
) -> list[PlacedColumn]:
    """The columns for a table of ``width`` cells, one cell apart.

    Of the chosen ones the lightest are left out until the others fit; the room that is left goes to the columns by
    weight, and the rest to the name.

    Args:
        widest: cells that the widest text of a column takes.
        keep: a column that is not left out, such as the one sorted by.
    """

    def weight(column: Column) -> tuple[bool, int]:
        return column.key == keep, column.weight + CHOSEN * (column.key not in USUAL)

    columns = [column for column in _COLUMNS if column.key in chosen] or [COLUMNS["name"]]
    most = {column.key: max(column.width, column.most) for column in columns}
    widths = {column.key: column.width for column in columns}
    for key in most.keys() & (widest or {}).keys():
        need = widest[key]  # type: ignore[index]
        most[key] = max(widths[key], need if key == "name" else min(need, most[key]))
        widths[key] = max(widths[key], min(most[key], NAME if key == "name" else most[key]))
    while len(columns) > 1 and sum(widths[column.key] + 1 for column in columns) - 1 > width:
        columns.remove(min(columns, key=weight))
    room = width - sum(widths[column.key] + 1 for column in columns) + 1
    for column in sorted(columns, key=lambda column: -column.weight):
        more = max(0, min(room, most[column.key] - widths[column.key]))
        widths[column.key] += more
        room -= more
    if "name" in widths:
        widths["name"] += max(0, room)
    return [PlacedColumn(column, min(width, widths[column.key])) for column in columns]


def widest_texts(runs: Sequence[Summary]) -> dict[str, int]:
    """Cells of the widest text in each column of text."""
    texts = [column for column in _COLUMNS if column.unit == "text" and column.most]
    return {column.key: max((cell_len(str(column.cell(run, 99))) for run in runs), default=0) for column in texts}


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
        cell = placed.column.cell(run, placed.width)
        if isinstance(cell, str):
            cells.append(Content(fitted(cell, placed.width, right=placed.column.right)))
        else:
            space = " " * max(0, placed.width - cell.cell_length)
            cut = cell.truncate(placed.width)
            cells.append(Content(space) + cut if placed.column.right else cut + space)
    return Content(" ").join(cells)


def header(columns: Iterable[PlacedColumn], key: str, descending: bool) -> Content:
    """The titles, with an arrow on the column sorted by; one that does not fit is its last word."""
    titles = []
    for placed in columns:
        here = placed.column.key == key
        arrow = ("▼" if descending else "▲") if here else ""
        title = f"{placed.column.title}{arrow}"
        if cell_len(title) > placed.width:
            title = f"{placed.column.title.split()[-1]}{arrow}"
        text = fitted(title, placed.width, right=placed.column.right)
        titles.append(Content.styled(text, "bold $foreground" if here else "$text-muted"))
    return Content(" ").join(titles)
