"""The table of clips, most doubtful first."""

from typing import ClassVar

from textual.binding import Binding
from textual.content import Content
from textual.message import Message

from core.labelling.label_worker import Row
from tui.text.cells import fitted
from tui.widgets.row_list import RowList

GENRE, ARTIST, DOUBT = 12, 18, 6
"""Cells of the columns; the name has what is left."""


def columns(width: int) -> str:
    """The titles above the rows."""
    artist = f"{'artist':<{ARTIST}} " if _shows_artist(width) else ""
    return f"{'doubt':<{DOUBT}} {'label':<{GENRE}} {'suggested':<{GENRE}} {'decision':<{GENRE}} {artist}file"


def _shows_artist(width: int) -> bool:
    return width >= DOUBT + 3 * GENRE + ARTIST + 24


class ClipTable(RowList):
    BINDING_GROUP_TITLE = "The clips"
    BINDINGS: ClassVar = [Binding("enter", "choose", "suggested", id="label.accept", tooltip="Accept the suggestion")]
    has_cursor = True

    class Moved(Message):
        """Another clip is under the cursor."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.rows: list[Row] = []
        self.decisions: dict[int, str] = {}
        """The label that was decided on, by the clip's place in the dataset."""

    @property
    def current(self) -> Row | None:
        return self.rows[self.cursor] if self.cursor < len(self.rows) else None

    def show(self, rows: list[Row]) -> None:
        """Show these rows in their order; the cursor stays on its clip."""
        on = self.current
        self.rows = rows
        places = [row.place for row in rows]
        self.cursor = places.index(on.place) if on and on.place in places else 0
        self.rows_changed()
        self.post_message(self.Moved())

    def go_to(self, place: int) -> None:
        """Put the cursor on a clip, if it is listed."""
        for index, row in enumerate(self.rows):
            if row.place == place:
                self._move_cursor(index)

    def follows(self) -> bool:
        return False

    def row_count(self) -> int:
        return len(self.rows)

    def row(self, index: int, width: int) -> Content:
        row = self.rows[index]
        decision = self.decisions.get(row.place, "")
        differs = row.suggested != row.label
        artist = f"{fitted(row.artist, ARTIST)} " if _shows_artist(width) else ""
        return Content.assemble(
            f"{row.doubt:<{DOUBT}.3f} {fitted(row.label, GENRE)} ",
            (f"{fitted(row.suggested if differs else '', GENRE)} ", "$warn"),
            (f"{fitted(decision, GENRE)} ", "bold $good"),
            (artist, "$text-muted"),
            row.name,
        )

    def _move_cursor(self, to: int) -> None:
        super()._move_cursor(to)
        self.post_message(self.Moved())
