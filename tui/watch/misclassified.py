"""The test clips that the best model got wrong; enter opens one in Classify."""

from pathlib import Path

from rich.cells import cell_len
from textual.content import Content

from core.runs.journal.events import Misclassified
from core.runs.journal.state import RunState
from tui.text.cells import fitted, padded
from tui.text.numbers import percent
from tui.widgets.row_list import RowList


class Mistakes(RowList):
    """The surest mistakes first. Posts `RowList.Chosen`."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.clips: list[Misclassified] = []
        self._hint = ""

    def show(self, state: RunState) -> None:
        wrong = state.test.misclassified if state.test is not None else []
        self.clips = sorted(wrong, key=lambda clip: -clip.probability)
        self._hint = (
            "The best model got every test clip right."
            if state.test is not None
            else ("Comes with the test, after the last epoch.")
        )
        self.has_cursor = bool(self.clips)
        self.rows_changed()

    def follows(self) -> bool:
        return False

    def row_count(self) -> int:
        return max(1, len(self.clips))

    def row(self, index: int, width: int) -> Content:
        if not self.clips:
            return Content.styled(self._hint, "$text-muted")
        clip = self.clips[index]
        genres = max(max(cell_len(c.genre), cell_len(c.predicted)) for c in self.clips)
        verdict = f"{padded(clip.genre, genres)} → {padded(clip.predicted, genres)} {percent(clip.probability, 0):>5}"
        room = max(8, width - cell_len(verdict) - 2)
        return Content.assemble(f"{fitted(Path(clip.path).name, room)}  ", (verdict, ""))
