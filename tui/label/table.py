"""The table of clips: most doubtful first, or in teaching the most helpful first."""

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from textual.binding import Binding
from textual.content import Content
from textual.message import Message

from tui.label.state import Clip
from tui.text.cells import fitted, shortened, widest
from tui.widgets.row_list import RowList

ARTIST, SCORE, FEWEST_GENRE, FEWEST_NAME = 16, 5, 12, 14
"""Cells of columns; the name has what is left."""
NARROWEST, LONGEST_GENRE = 10, 16
"""Cells of a label at least, as ``(excluded)`` takes, and those that a longer one gets where the screen is not wide."""
MARK = "◆"


class ClipTable(RowList):
    BINDING_GROUP_TITLE = "The clips"
    BINDINGS: ClassVar = [
        Binding("enter", "choose", "suggested", id="label.accept", tooltip="Accept the suggestion"),
        Binding("left", "screen.seek(-1)", "back", show=False, key_display="←", id="label.left"),
        Binding("right", "screen.seek(1)", "on", show=False, key_display="→", id="label.right"),
        Binding("shift+down", "screen.mark(1)", "mark down", show=False, id="label.mark_down"),
        Binding("shift+up", "screen.mark(-1)", "mark up", show=False, id="label.mark_up"),
    ]
    has_cursor = True

    class Moved(Message):
        """Another clip is under the cursor."""

    class Resized(Message):
        """The columns have moved, so their titles must be drawn again."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.clips: Sequence[Clip] = ()
        self.marked: set[int] = set()
        self.teaches = False
        self._widest = NARROWEST
        """Cells of the longest label."""

    @property
    def current(self) -> Clip | None:
        return self.clips[self.cursor] if 0 <= self.cursor < len(self.clips) else None

    def show(self, clips: Sequence[Clip], *, to_top: bool = False) -> None:
        """Show these clips in their order; the cursor stays on its clip unless ``to_top``."""
        on = self.current
        self.clips = clips
        self._widest = widest({label for clip in clips for label in (clip.label, clip.suggested, clip.decision)})
        self.cursor = clips.index(on) if on is not None and on in clips and not to_top else 0
        self.rows_changed()
        if self.current is not on:
            self.post_message(self.Moved())

    def go_to(self, place: int) -> None:
        """Put the cursor on a clip, if it is listed."""
        for index, clip in enumerate(self.clips):
            if clip.place == place:
                self._move_cursor(index)

    def row_count(self) -> int:
        return len(self.clips)

    def columns(self, width: int) -> tuple[int, bool, bool]:
        """Cells of a genre, whether given labels are shown, and whether artists are."""
        given = not self.teaches or any(clip.label for clip in self.clips[:100])
        artists = width >= 90 and any(clip.artist for clip in self.clips[:100])
        left = width - SCORE - 3 - FEWEST_NAME - (ARTIST + 1) * artists
        most = min(max(NARROWEST, self._widest), max(LONGEST_GENRE, width // 6))
        return max(6, min(most, left // (2 + given) - 1)), given, artists

    def titles(self) -> str:
        """The titles above the rows."""
        genre, given, artists = self.columns(self.row_width)
        names = [*(["given"] if given else []), "suggested", "decision"]
        score = "sure" if self.teaches else "doubt"
        line = f"  {fitted(score, SCORE)} " + "".join(f"{fitted(name, genre)} " for name in names)
        return line + (f"{fitted('artist', ARTIST)} " if artists else "") + "file"

    def row(self, index: int, width: int) -> Content:
        clip = self.clips[index]
        genre, given, artists = self.columns(width)
        score = "" if clip.score is None else f"{clip.score:.2f}" if self.teaches else f"{clip.score:.3f}"
        differs = clip.suggested != clip.label
        taken = SCORE + 3 + (genre + 1) * (2 + given) + (ARTIST + 1) * artists
        return Content.assemble(
            (f"{MARK} " if clip.place in self.marked else "  ", "$accent"),
            f"{fitted(score, SCORE)} ",
            f"{fitted(clip.label, genre)} " if given else "",
            (f"{fitted(clip.suggested if differs else '', genre)} ", "$warn"),
            (f"{fitted(clip.decision, genre)} ", "bold $good"),
            (f"{fitted(clip.artist, ARTIST)} " if artists else "", "$text-muted"),
            shortened(clip.name, max(FEWEST_NAME, width - taken)),
        )

    def on_resize(self) -> None:
        super().on_resize()
        self.post_message(self.Resized())

    def _move_cursor(self, to: int) -> None:
        super()._move_cursor(to)
        self.post_message(self.Moved())


class Neighbours(RowList):
    """The clips that sound most like the one under the table's cursor; enter jumps to one."""

    BINDING_GROUP_TITLE = "Sounds like"
    has_cursor = True

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.clips: Sequence[Clip] = ()

    def show(self, clips: Sequence[Clip]) -> None:
        self.clips = clips
        self.cursor = self.top = 0
        self.rows_changed()

    def row_count(self) -> int:
        return len(self.clips)

    def row(self, index: int, width: int) -> Content:
        clip = self.clips[index]
        labels = widest(clip.decision or clip.label for clip in self.clips)
        genre = max(FEWEST_GENRE, min(labels, width // 3))
        artist = f"{fitted(clip.artist, ARTIST)} " if clip.artist else ""
        return Content.assemble(
            f"{fitted(clip.decision or clip.label or '–', genre)} ",
            (artist, "$text-muted"),
            shortened(clip.name, max(FEWEST_NAME, width - genre - 1 - cell_len(artist))),
        )
