"""The run's log: what its events say, and after a failure the whole traceback."""

import time

from textual.content import Content

from core.runs.journal.log_lines import LogLine
from core.runs.journal.state import RunState
from tui.widgets.row_list import MARGINS, RowList

MARKS = {"info": " ", "good": "✓", "warning": "!", "error": "✗"}
STYLES = {"info": "", "good": "$good", "warning": "$warn", "error": "$bad"}
INDENT = 11
"""Cells before the text of a line: the time and the mark."""


LIMIT = 4000
"""Laid-out lines that are kept."""


class LogPane(RowList):
    """Follows the end while the end is in view. Long lines go on below themselves."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._log: list[LogLine] = []
        self._end = 0
        self._width = 0
        self._rows: list[Content] = []

    def show(self, state: RunState) -> None:
        """Show the log of ``state``; of a log that only grew, only the new lines are laid out."""
        new = state.log_dropped + len(state.log) - self._end
        kept = len(state.log) - new
        if not 0 < kept <= len(state.log) or not self._log or self._log[-1] != state.log[kept - 1]:
            self._rows, new = [], len(state.log)  # the log of another run, or all of it is new
        self._log, self._end = state.log, state.log_dropped + len(state.log)
        self._lay_out(new)
        self.rows_changed()

    def _lay_out(self, new: int) -> None:
        """Lay out the last ``new`` lines, or all of them where the width is another."""
        if self.size.width != self._width:
            self._width, self._rows, new = self.size.width, [], len(self._log)
        for line in self._log[len(self._log) - new :]:
            self._rows += _laid_out(line, self._width)
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


def _laid_out(line: LogLine, width: int) -> list[Content]:
    at = time.strftime("%H:%M:%S", time.localtime(line.time))
    text = Content.styled(line.text.expandtabs(4), STYLES[line.level])
    pieces = text.wrap(max(8, width - MARGINS - INDENT)) or [text]
    head = Content.assemble((at, "$text-muted"), " ", (MARKS[line.level], STYLES[line.level]), " ")
    return [head + pieces[0], *(Content(" " * INDENT) + piece for piece in pieces[1:])]
