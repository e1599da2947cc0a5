"""The panels of the Label screen: the table of clips with its filter and the lines above it, and what sounds alike."""

from collections.abc import Sequence
from textwrap import wrap
from typing import ClassVar

from rich.cells import cell_len
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static

from core.util.text import counted, printable
from tui.formatting import clock, fitted, percent, shortened, shown, sparkline, widest
from tui.label.session import Session
from tui.label.state import Clip, Clips
from tui.widgets.row_list import RowList, column_at
from tui.widgets.text import FilterInput, TextLines

ARTIST, SCORE, FEWEST_GENRE, FEWEST_NAME = 16, 5, 12, 14
"""Cells of columns; the name has what is left."""
NARROWEST, LONGEST_GENRE = 10, 16
"""Cells of a label at least, as ``(excluded)`` takes, and those that a longer one gets where the screen is not wide."""
MARK = "◆"


class ClipTable(RowList):
    BINDING_GROUP_TITLE = "The clips"
    BINDINGS: ClassVar = [
        Binding("enter", "choose", "suggested", id="label.accept", tooltip="Accept the suggestion"),
        Binding("left", "screen.window(-1)", "previous window", show=False, key_display="←", id="label.left"),
        Binding("right", "screen.window(1)", "next window", show=False, key_display="→", id="label.right"),
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

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return bool(self.clips) if action == "choose" else super().check_action(action, parameters)

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

    def go_to(self, index: int) -> None:
        """Put the cursor on a clip, if it is listed."""
        for row, clip in enumerate(self.clips):
            if clip.index == index:
                self._move_cursor(row)

    def row_count(self) -> int:
        return len(self.clips)

    def columns(self, width: int) -> tuple[int, bool, bool]:
        """Cells of a genre, whether given labels are shown, and whether artists are."""
        given = not self.teaches or any(clip.label for clip in self.clips[:100])
        artists = width >= 90 and any(clip.artist for clip in self.clips[:100])
        left = width - SCORE - 3 - FEWEST_NAME - (ARTIST + 1) * artists
        most = min(max(NARROWEST, self._widest), max(LONGEST_GENRE, width // 6))
        return max(6, min(most, left // (2 + given) - 1)), given, artists

    def _titles(self) -> list[tuple[str, str, int]]:
        """The columns: what they are sorted by, title, and cells."""
        genre, given, artists = self.columns(self.row_width)
        labels = [*(["given"] if given else []), "suggested", "decision"]
        return [
            ("score", "sure" if self.teaches else "doubt", SCORE),
            *((name, name, genre) for name in labels),
            *([("artist", "artist", ARTIST)] if artists else []),
            ("file", "file", FEWEST_NAME),
        ]

    def titles(self, sorted_by: str, arrow: str) -> Content:
        """The titles above the rows, with an arrow after the one that is sorted by."""
        parts = [
            (f"{fitted(title[: size - 1] + arrow, size)} ", "bold $foreground")
            if name == sorted_by
            else f"{fitted(title, size)} "
            for name, title, size in self._titles()
        ]
        return Content.assemble("  ", *parts).stylize_before("$text-muted").rstrip()

    def column_at(self, x: int) -> str:
        """The order of the column whose title is at cell ``x``."""
        return column_at([(name, size) for name, _, size in self._titles()], x) or "file"

    def sortable(self) -> list[str]:
        """The orders that `action_sort` goes through: that of deciding, then the columns."""
        return ["", *(name for name, _, _ in self._titles())]

    def row(self, index: int, width: int) -> Content:
        clip = self.clips[index]
        genre, given, artists = self.columns(width)
        is_unknown = clip.score is None or (self.teaches and not clip.suggested)
        score = "" if is_unknown else f"{clip.score:.2f}" if self.teaches else f"{clip.score:.3f}"
        taken = SCORE + 3 + (genre + 1) * (2 + given) + (ARTIST + 1) * artists
        return Content.assemble(
            (f"{MARK} " if clip.index in self.marked else "  ", "$accent"),
            f"{fitted(score, SCORE)} ",
            f"{fitted(clip.label, genre)} " if given else "",
            (f"{fitted(clip.shown_suggestion, genre)} ", "$warn"),
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


class ClipTitles(TextLines):
    """The titles of the columns; a click on one sorts by it."""

    class Clicked(Message):
        def __init__(self, x: int) -> None:
            super().__init__()
            self.x = x

    def on_click(self, event: events.Click) -> None:
        self.post_message(self.Clicked(event.x - self.styles.padding.left))


class ClipsPane(Vertical):
    def __init__(self, *, id: str, classes: str) -> None:
        super().__init__(id=id, classes=classes)
        self._clips = Clips()

    def compose(self) -> ComposeResult:
        with Horizontal(id="filter"):
            yield Static("/")
            yield FilterInput(compact=True, placeholder="words of file, label, suggestion or artist")
        yield ClipTitles(id="columns")
        yield ClipTable(id="clips")

    @property
    def table(self) -> ClipTable:
        return self.query_one(ClipTable)

    @property
    def chosen(self) -> list[Clip]:
        """The marked clips, or the one under the cursor."""
        if self._clips.marked:
            return [self._clips.by_index[index] for index in sorted(self._clips.marked)]
        return [self.table.current] if self.table.current is not None else []

    def show(self, clips: Clips, *, to_top: bool = False) -> None:
        """Show those of ``clips`` that the filter leaves; the cursor stays on its clip unless ``to_top``."""
        self._clips, table = clips, self.table
        table.marked, table.teaches = clips.marked, clips.teaches
        table.show(clips.listed(), to_top=to_top)
        self._show_titles()

    def go_to(self, index: int) -> None:
        """Put the cursor on a clip; a filter that hides it is cleared."""
        if self._clips.filter:
            self.clear_filter()
        self.table.go_to(index)

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
        arrow = "▼" if self._clips.descending else "▲"
        lines = [self.table.titles(self._clips.sorted_by, arrow)] if self.table.clips else []
        self.query_one(ClipTitles).show(lines)

    @on(ClipTitles.Clicked)
    def _sort_by_title(self, event: ClipTitles.Clicked) -> None:
        self._clips.sort_by(self.table.column_at(event.x))
        self.show(self._clips)

    def sort_by_next(self) -> None:
        """Sort by the column on the right of the present one, or in the order of deciding."""
        orders, clips = self.table.sortable(), self._clips
        here = orders.index(clips.sorted_by) if clips.sorted_by in orders else 0
        clips.sorted_by, clips.descending = orders[(here + 1) % len(orders)], False
        self.show(clips)

    def reverse(self) -> None:
        if self._clips.sorted_by:
            self._clips.descending = not self._clips.descending
            self.show(self._clips)


SPARK_CELLS = 24
LEGEND_LINES = 3
NAME_CELLS = 30


def head(session: Session, listed: int, width: int) -> list[Content]:
    """
    Args:
        listed: clips that the filter leaves.
        width: cells of a line; a message takes as many lines as it needs.
    """
    if session.data is None or (session.is_empty and not session.status):
        return [Content("no dataset")]
    playing = "" if session.playing is None else f"▶ {clock(session.position_s)} · "
    rest = playing + (session.status or _status(session, listed))
    name = shown(session.data, min(NAME_CELLS, max(FEWEST_NAME, width - cell_len(rest) - 3)))
    lines = [Content(line) for line in wrap(f"{name} · {rest}", width)]
    return [*lines, _taught(session)] if session.clips.teaches else lines


def _status(session: Session, listed: int) -> str:
    """Facts that change come first."""
    clips, parts = session.clips, []
    if marked := len(clips.marked):
        parts.append(f"{marked:,} marked")
    if session.towards is not None:
        parts.append(f"most likely {session.towards} first (s: what helps most)")
    if session.choosing:
        parts.append("the key of a genre lists what is most likely of it")
    count = counted(len(clips.by_index), "clip")
    parts.append(f"{listed:,} of {count}" if clips.filter else count)
    if not clips.teaches:
        differ = sum(clip.suggested != clip.label for clip in clips.by_index.values())
        parts.append(f"{differ:,} with another suggestion")
    parts.append(counted(clips.decided, "decision"))
    if (opinion := session.second_opinion) is not None:
        name = shortened(printable(opinion.name), NAME_CELLS)
        parts.append(f"learning by {name}" if clips.teaches else f"second opinion: {name}")
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
    if not genres and session.clips.teaches and not session.is_empty:
        return [Content.styled("n gives this clip a genre by its name; each genre then has a key", "$text-muted")]
    for index, (key, genre) in enumerate(genres):
        number = f" {counts.get(genre, 0)}" if session.clips.teaches else ""
        part = Content.assemble((key, "bold $footer-key-foreground"), f" {genre}{number}  ")
        more = f"and {len(genres) - index} more" if index < len(genres) - 1 else ""
        room = max(20, width) - (len(more) if len(lines) == LEGEND_LINES else 0)
        if lines[-1].cell_length + part.cell_length > room and lines[-1].cell_length:
            if len(lines) == LEGEND_LINES:
                lines[-1] += Content.styled(f"and {len(genres) - index} more", "$text-muted")
                break
            lines.append(Content(""))
        lines[-1] += part
    return lines
