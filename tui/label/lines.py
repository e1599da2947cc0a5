"""The lines above the Label screen's table: the dataset, the accuracy so far, and the keys of the genres."""

from textual.content import Content

from tui.label.session import Session
from tui.text.cells import shown, sparkline
from tui.text.formatting import count, percent

SPARK_CELLS = 24
LEGEND_LINES = 3
NAME_CELLS = 30


def head(session: Session, listed: int) -> list[Content]:
    """
    Args:
        listed: clips that the filter leaves.
    """
    if session.data is None:
        return [Content("no dataset")]
    lines = [Content(f"{shown(session.data, NAME_CELLS)} · {session.status or _status(session, listed)}")]
    return [*lines, _taught(session)] if session.clips.teaches else lines


def _status(session: Session, listed: int) -> str:
    clips = session.clips
    parts = [count(len(clips.by_place), "clip")]
    if clips.filter:
        parts[0] = f"{listed:,} of {parts[0]}"
    if not clips.teaches:
        differ = sum(clip.suggested != clip.label for clip in clips.by_place.values())
        parts.append(f"{differ:,} with another suggestion")
        if (model := session.second_opinion) is not None:
            parts.append(f"second opinion: {shown(model.parent, NAME_CELLS)}")
    parts.append(count(clips.decided, "decision"))
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
        f" ({percent(assessed.low)} to {percent(assessed.high)}, {count(assessed.clips, 'label')}) ",
        (sparkline(session.accuracies, SPARK_CELLS), "$val"),
    )


def legend(session: Session, width: int) -> list[Content]:
    """The keys of the genres, in teaching with the number of labels, in `LEGEND_LINES` lines at most."""
    counts, lines = session.clips.counts(), [Content("")]
    for key, genre in session.keys.items():
        number = f" {counts.get(genre, 0)}" if session.clips.teaches else ""
        part = Content.assemble((key, "bold $footer-key-foreground"), f" {genre}{number}  ")
        if lines[-1].cell_length + part.cell_length > max(20, width) and lines[-1].cell_length:
            lines.append(Content(""))
        lines[-1] += part
    return lines[:LEGEND_LINES]
