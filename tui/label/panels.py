"""The panels of the Label screen: the table of clips with its filter, and the lines above it."""

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Input, Static

from core.util.text import counted, printable
from tui.label.session import Session
from tui.label.state import Clip, Clips
from tui.label.table import ClipTable
from tui.text.cells import shortened, shown, sparkline
from tui.text.formatting import percent
from tui.widgets.text import FilterInput, TextLines


class ClipsPane(Vertical):
    def __init__(self, *, id: str, classes: str) -> None:
        super().__init__(id=id, classes=classes)
        self._clips = Clips()

    def compose(self) -> ComposeResult:
        with Horizontal(id="filter"):
            yield Static("/")
            yield FilterInput(compact=True, placeholder="words of file, label, suggestion or artist")
        yield TextLines(id="columns")
        yield ClipTable(id="clips")

    @property
    def table(self) -> ClipTable:
        return self.query_one(ClipTable)

    @property
    def chosen(self) -> list[Clip]:
        """The marked clips, or the one under the cursor."""
        if self._clips.marked:
            return [self._clips.by_place[place] for place in sorted(self._clips.marked)]
        return [self.table.current] if self.table.current is not None else []

    def show(self, clips: Clips, *, to_top: bool = False) -> None:
        """Show those of ``clips`` that the filter leaves; the cursor stays on its clip unless ``to_top``."""
        self._clips, table = clips, self.table
        table.marked, table.teaches = clips.marked, clips.teaches
        table.show(clips.listed(), to_top=to_top)
        self._show_titles()

    def go_to(self, place: int) -> None:
        """Put the cursor on a clip; a filter that hides it is cleared."""
        if self._clips.filter:
            self.clear_filter()
        self.table.go_to(place)

    def open_filter(self) -> None:
        self.set_class(True, "-filtering")
        self.query_one(FilterInput).focus()

    def clear_filter(self) -> bool:
        """False where there is none."""
        if not self.has_class("-filtering"):
            return False
        self.query_one(FilterInput).value = self._clips.filter = ""
        self.set_class(False, "-filtering")
        self.show(self._clips)
        self.table.focus()
        return True

    @on(Input.Submitted)
    def _to_the_list(self) -> None:
        self.table.focus()

    @on(ClipTable.Resized)
    def _show_titles(self) -> None:
        lines = [Content.styled(self.table.titles(), "$text-muted")] if self.table.clips else []
        self.query_one("#columns", TextLines).show(lines)


SPARK_CELLS = 24
LEGEND_LINES = 3
NAME_CELLS = 30


def head(session: Session, listed: int) -> list[Content]:
    """
    Args:
        listed: clips that the filter leaves.
    """
    if session.data is None or (session.is_empty and not session.status):
        return [Content("no dataset")]
    lines = [Content(f"{shown(session.data, NAME_CELLS)} · {session.status or _status(session, listed)}")]
    return [*lines, _taught(session)] if session.clips.teaches else lines


def _status(session: Session, listed: int) -> str:
    clips = session.clips
    parts = [counted(len(clips.by_place), "clip")]
    if clips.filter:
        parts[0] = f"{listed:,} of {parts[0]}"
    if not clips.teaches:
        differ = sum(clip.suggested != clip.label for clip in clips.by_place.values())
        parts.append(f"{differ:,} with another suggestion")
    if (opinion := session.second_opinion) is not None:
        name = shortened(printable(opinion.name), NAME_CELLS)
        parts.append(f"learning by {name}" if clips.teaches else f"second opinion: {name}")
    parts.append(counted(clips.decided, "decision"))
    if marked := len(clips.marked):
        parts.append(f"{marked:,} marked")
    if session.towards is not None:
        parts.append(f"most likely {session.towards} first (s: what helps most)")
    if session.choosing:
        parts.append("the key of a genre lists what is most likely of it")
    if session.playing is not None:
        parts.append("▶ playing")
    return " · ".join(parts)


def _taught(session: Session) -> Content:
    """The accuracy out of fold or, before it is known, the reason why there is none."""
    assessed = session.assessed
    if assessed is None or assessed.accuracy is None:
        return Content.styled(f"teaching: {session.reason}; accuracy from 10 labels of two genres on", "$text-muted")
    return Content.assemble(
        "out of fold ",
        (percent(assessed.accuracy), "bold"),
        f" ({percent(assessed.low)} to {percent(assessed.high)}, {counted(assessed.clips, 'label')}) ",
        (sparkline(session.accuracies, SPARK_CELLS), "$val"),
    )


def legend(session: Session, width: int) -> list[Content]:
    """The keys of the genres, in teaching with the number of labels; those beyond `LEGEND_LINES` are counted."""
    counts, lines, genres = session.clips.counts(), [Content("")], list(session.keys.items())
    for place, (key, genre) in enumerate(genres):
        number = f" {counts.get(genre, 0)}" if session.clips.teaches else ""
        part = Content.assemble((key, "bold $footer-key-foreground"), f" {genre}{number}  ")
        more = f"and {len(genres) - place} more" if place < len(genres) - 1 else ""
        room = max(20, width) - (len(more) if len(lines) == LEGEND_LINES else 0)
        if lines[-1].cell_length + part.cell_length > room and lines[-1].cell_length:
            if len(lines) == LEGEND_LINES:
                lines[-1] += Content.styled(f"and {len(genres) - place} more", "$text-muted")
                break
            lines.append(Content(""))
        lines[-1] += part
    return lines
