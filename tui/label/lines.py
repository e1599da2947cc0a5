"""The lines above the Label screen's table: what is there, how well it is learnt, and the keys of the genres."""

from collections.abc import Sequence

from textual.content import Content

from core.labelling.label_worker import Assessed
from tui.label.state import Clips, GenreKeys
from tui.text.cells import sparkline
from tui.text.formatting import count, percent

SPARK_CELLS = 24
LEGEND_LINES = 3


def told(clips: Clips, listed: int, *, towards: str | None, choosing: bool, playing: bool) -> str:
    """
    Args:
        listed: clips that the filter leaves.
        towards: the genre whose likeliest clips come first.
        choosing: whether the next genre's key says which that is.
    """
    parts = [count(len(clips.by_place), "clip")]
    if clips.filter:
        parts[0] = f"{listed:,} of {parts[0]}"
    if not clips.teaches:
        differ = sum(clip.suggested != clip.label for clip in clips.by_place.values())
        parts.append(f"{differ:,} with another suggestion")
    parts.append(count(clips.decided, "decision"))
    if marked := len(clips.marked):
        parts.append(f"{marked:,} marked")
    if towards is not None:
        parts.append(f"most likely {towards} first (s: what helps most)")
    if choosing:
        parts.append("the key of a genre lists what is most likely of it")
    if playing:
        parts.append("▶ playing")
    return " · ".join(parts)


def taught(assessed: Assessed | None, accuracies: Sequence[float], reason: str) -> Content:
    """How well the labels are learnt so far; before that can be said, the ``reason`` why there is no doubt."""
    if assessed is None or assessed.accuracy is None:
        return Content.styled(f"teaching: {reason}; accuracy from 10 labels of two genres on", "$text-muted")
    return Content.assemble(
        "out of fold ",
        (percent(assessed.accuracy), "bold"),
        f" ({percent(assessed.low)} to {percent(assessed.high)}, {count(assessed.clips, 'label')}) ",
        (sparkline(accuracies, SPARK_CELLS), "$val"),
    )


def legend(clips: Clips, keys: GenreKeys, width: int) -> list[Content]:
    """The keys of the genres, in teaching with the number of labels, in `LEGEND_LINES` lines at most."""
    counts, lines = clips.counts(), [Content("")]
    for key, genre in keys.items():
        number = f" {counts.get(genre, 0)}" if clips.teaches else ""
        part = Content.assemble((key, "bold $footer-key-foreground"), f" {genre}{number}  ")
        if lines[-1].cell_length + part.cell_length > max(20, width) and lines[-1].cell_length:
            lines.append(Content(""))
        lines[-1] += part
    return lines[:LEGEND_LINES]
