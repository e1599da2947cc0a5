"""The epochs as a table, the best one marked."""

from collections.abc import Callable
from dataclasses import dataclass

from textual.content import Content
from textual.geometry import Region
from textual.widget import Widget

from core.runs.journal.state import EpochRow, RunState
from tui.text import numbers as figures
from tui.widgets.row_list import RowList


@dataclass(frozen=True)
class Column:
    title: str
    width: int
    value: Callable[[EpochRow], str]


COLUMNS = (
    Column("epoch", 6, lambda row: str(row.epoch)),
    Column("train loss", 12, lambda row: figures.loss(row.train_loss)),
    Column("train acc", 11, lambda row: figures.percent(row.train_accuracy)),
    Column("val loss", 11, lambda row: figures.loss(row.val_loss)),
    Column("val acc", 10, lambda row: figures.percent(row.val_accuracy)),
    Column("lr", 9, lambda row: figures.learning_rate(row.learning_rate)),
    Column("s", 6, lambda row: f"{row.seconds:.1f}"),
    Column("clips/s", 9, lambda row: f"{row.clips_per_second:,.0f}"),
)
"""In the order in which they are given up where there is little room, last first."""


def columns_for(width: int) -> list[Column]:
    """The columns that fit into ``width`` cells beside the mark."""
    kept: list[Column] = []
    for column in COLUMNS:
        width -= column.width
        if width < 0 and kept:
            break
        kept.append(column)
    return kept


class EpochRows(RowList):
    """Follows the last epoch while the cursor is on it."""

    has_cursor = True

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.history: list[EpochRow] = []
        self._best: EpochRow | None = None

    def show(self, state: RunState) -> None:
        self.history, self._best = state.history, state.best
        self.rows_changed()

    def row_count(self) -> int:
        return len(self.history)

    def row(self, index: int, width: int) -> Content:
        row = self.history[index]
        best = self._best is not None and row.epoch == self._best.epoch
        cells = "".join(f"{column.value(row):>{column.width}}" for column in columns_for(width - 1))
        return Content.assemble(("★", "$warn"), (cells, "bold")) if best else Content(" " + cells)


class EpochHead(Widget):
    """The columns' titles, above the rows."""

    can_focus = False

    def render(self) -> Content:
        columns = columns_for(self.size.width - 4)
        return Content.styled("   " + "".join(f"{column.title:>{column.width}}" for column in columns), "$text-muted")

    def on_resize(self) -> None:
        self.refresh(Region(0, 0, self.size.width, 1))
