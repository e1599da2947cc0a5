"""Panes of the Watch screen that are lists of rows: epochs, misclassified clips, the log."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.cells import cell_len
from textual.content import Content
from textual.geometry import Region
from textual.widget import Widget

from core.runs.journal.events import Misclassified
from core.runs.journal.history import EpochRow, History
from core.runs.journal.log_lines import LogLine
from core.runs.journal.state import RunState
from tui import formatting
from tui.formatting import DASH, fitted, local_time, padded, percent
from tui.widgets.row_list import MARGINS, RowList


@dataclass(frozen=True)
class Column:
    title: str
    width: int
    value: Callable[[EpochRow], str]


COLUMNS = (
    Column("epoch", 6, lambda row: str(row.epoch)),
    Column("train loss", 12, lambda row: formatting.loss(row.train_loss)),
    Column("train acc", 11, lambda row: formatting.percent(row.train_accuracy)),
    Column("val loss", 11, lambda row: formatting.loss(row.val_loss)),
    Column("val acc", 10, lambda row: formatting.percent(row.val_accuracy)),
    Column("lr", 9, lambda row: formatting.learning_rate(row.learning_rate)),
    Column("s", 6, lambda row: formatting.decimal(row.seconds, 1)),
    Column("clips/s", 9, lambda row: formatting.decimal(row.clips_per_second, 0)),
)
"""Dropped from the end where there is too little room."""


def columns_for(width: int) -> list[Column]:
    """The columns that fit into ``width`` cells beside the star."""
    kept: list[Column] = []
    for column in COLUMNS:
        width -= column.width
        if width < 0 and kept:
            break
        kept.append(column)
    return kept


class EpochRows(RowList):
    """The epochs, the best one starred; follows the last epoch while the cursor is on it."""

    has_cursor = follows = True

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.history = History()
        self._best: EpochRow | None = None

    def show(self, state: RunState) -> None:
        self.history, self._best = state.history, state.best
        self.rows_changed()

    def move_to(self, index: int) -> None:
        """Put the cursor on a row; on the last one it follows the run."""
        if index != self.cursor:
            self._move_cursor(index)

    def row_count(self) -> int:
        return len(self.history)

    def row(self, index: int, width: int) -> Content:
        row = self.history[index]
        best = self._best is not None and row.epoch == self._best.epoch
        cells = "".join(fitted(column.value(row), column.width, right=True) for column in columns_for(width - 1))
        return Content.assemble(("★", "$val"), (cells, "bold")) if best else Content(" " + cells)


class EpochHead(Widget):
    """The column titles above the rows."""

    can_focus = False

    def render(self) -> Content:
        columns = columns_for(self.size.width - 4)
        return Content.styled("   " + "".join(f"{column.title:>{column.width}}" for column in columns), "$text-muted")

    def on_resize(self) -> None:
        self.refresh(Region(0, 0, self.size.width, 1))


class Mistakes(RowList):
    """The test clips that the best model misclassified, the most confident first. Posts `RowList.Chosen`."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.clips: list[Misclassified] = []
        self.pair: tuple[str, str] | None = None
        """The genre and the prediction that all clips shown have; None shows them all."""
        self._wrong: list[Misclassified] = []
        self._hint = ""

    def show(self, state: RunState) -> None:
        wrong = state.test.misclassified if state.test is not None else []
        self._wrong = sorted(wrong, key=lambda clip: -clip.probability)
        self._hint = (
            "The best model classified every test clip correctly."
            if state.test is not None
            else "Available after the test, which follows the last epoch."
        )
        self._list()

    def only(self, pair: tuple[str, str] | None) -> None:
        """Show the clips of one genre that were predicted as another; None shows all."""
        self.pair = pair
        self.begin()
        self._list()

    def _list(self) -> None:
        self.clips = [clip for clip in self._wrong if self.pair in (None, (clip.genre, clip.predicted))]
        self.has_cursor = bool(self.clips)
        self.rows_changed()

    def row_count(self) -> int:
        return max(1, len(self.clips))

    def row(self, index: int, width: int) -> Content:
        if not self.clips:
            return Content.styled(self._hint, "$text-muted")
        clip = self.clips[index]
        genres = max(max(cell_len(c.genre), cell_len(c.predicted)) for c in self.clips)
        result = f"{padded(clip.genre, genres)} → {padded(clip.predicted, genres)} {percent(clip.probability, 0):>4}"
        room = max(8, width - cell_len(result) - 2)
        return Content.assemble(f"{fitted(Path(clip.path).name, room)}  ", (result, ""))


LEVEL_SYMBOLS = {"info": " ", "good": "✓", "warning": "!", "error": "✗"}
LEVEL_STYLES = {"info": "", "good": "$good", "warning": "$warn", "error": "$bad"}
INDENT = 11
"""Cells before the text of a line: the time and the symbol."""
LIMIT = 1500
"""Laid-out lines kept; twice as many before they are cut back."""


class LogPane(RowList):
    """The log of the run's events, with the traceback of a failure; follows the end while it is in view, and wraps."""

    follows = True

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._log: list[LogLine] = []
        self._end = 0
        self._width = 0
        self._rows: list[Content] = []

    def show(self, state: RunState) -> None:
        """Show the log of ``state``; if it only grew, only the new lines are laid out."""
        new = state.log_dropped + len(state.log) - self._end
        kept = len(state.log) - new
        if not 0 < kept <= len(state.log) or not self._log or self._log[-1] != state.log[kept - 1]:
            self._rows, new = [], len(state.log)  # the log of another run, or entirely new
        self._log, self._end = state.log, state.log_dropped + len(state.log)
        self._lay_out(new)
        self.rows_changed()

    def _lay_out(self, new: int) -> None:
        """Lay out the last ``new`` lines, or all of them if the width has changed."""
        if self.size.width != self._width:
            self._width, self._rows, new = self.size.width, [], len(self._log)
        for line in self._log[len(self._log) - new :]:
            self._rows += laid_out(line, self._width)
        if len(self._rows) > 2 * LIMIT:
            surplus = len(self._rows) - LIMIT
            del self._rows[:surplus]
            self.top -= surplus

    def row_count(self) -> int:
        return len(self._rows)

    def row(self, index: int, width: int) -> Content:
        return self._rows[index]

    def on_resize(self) -> None:
        self._lay_out(0)
        super().on_resize()


def laid_out(line: LogLine, width: int) -> list[Content]:
    then = local_time(line.time)
    at = time.strftime("%H:%M:%S", then) if then else f"{DASH:<8}"
    text = Content.styled(line.text.expandtabs(4), LEVEL_STYLES[line.level])
    pieces = text.wrap(max(8, width - MARGINS - INDENT)) or [text]
    head = Content.assemble((at, "$text-muted"), " ", (LEVEL_SYMBOLS[line.level], LEVEL_STYLES[line.level]), " ")
    return [head + pieces[0], *(Content(" " * INDENT) + piece for piece in pieces[1:])]
