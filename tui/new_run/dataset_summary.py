"""A summary of a dataset before a run: its content, its split, and the files left out. No torch."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from textual.content import Content

from core.dataset.labels.settings import LabelSettings
from core.dataset.split_settings import SplitSettings, own_split
from tui.text.cells import fitted, widest
from tui.text.formatting import count

MAX_LISTED = 4
"""Files left out that are listed; the others are counted."""


@dataclass(frozen=True)
class DatasetSummary:
    clips: dict[str, int]
    """Genre → usable clips."""
    parts: dict[str, int]
    """train, valid, test → clips."""
    hours: float
    shortest_s: float
    longest_s: float
    formats: list[str]
    """``au 22,050 Hz``, the most frequent first."""
    excluded: list[tuple[str, str]]
    """Path, reason."""
    labels: LabelSettings = field(default_factory=LabelSettings)
    """What finds the same labels again."""
    label_source: str = ""
    """Where the labels come from, in words."""
    own_split: bool = False
    """Whether the collection's own split is used."""


def summarise(
    folder: Path,
    settings: SplitSettings,
    labels: LabelSettings | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> DatasetSummary:
    """Scan a dataset: decodes and hashes every new file, seconds per thousand clips.

    Raises:
        DatasetError: it cannot be trained on.
    """
    # These import numpy and the decoders.
    from core.dataset.scan import scan
    from core.dataset.split import split

    found = scan(folder, labels=labels, on_progress=on_progress)
    if found.has_split:
        settings = own_split(settings)
    formats = Counter(f"{clip.format} {clip.rate:,} Hz" for clip in found.clips)
    return DatasetSummary(
        clips={genre: sum(clip.genre == genre for clip in found.clips) for genre in found.genres},
        parts={part: len(members) for part, members in split(found.clips, settings).parts().items()},
        hours=found.hours,
        shortest_s=min(clip.duration_s for clip in found.clips),
        longest_s=max(clip.duration_s for clip in found.clips),
        formats=[name for name, _ in formats.most_common()],
        excluded=[(file.path, file.reason) for file in found.excluded],
        labels=found.labels,
        label_source=found.label_source,
        own_split=found.has_split,
    )


def summary_lines(summary: DatasetSummary, width: int, height: int) -> list[Content]:
    """The summary in ``width`` cells, with one bar per genre if they fit into ``height`` lines."""
    lines = [
        Content.assemble(
            (count(sum(summary.clips.values()), "clip"), "bold"),
            f" · {count(len(summary.clips), 'genre')} · {_hours(summary.hours)} · {_lengths(summary)}",
        ),
        Content(" · ".join(f"{part} {clips:,}" for part, clips in summary.parts.items())),
        Content(summary.label_source or _some(summary.formats, 3)),
        *([Content(_some(summary.formats, 3))] if summary.label_source else []),
    ]
    excluded = _excluded(summary)
    if len(lines) + len(excluded) + len(summary.clips) + 2 <= height:
        lines += [Content(""), *_bars(summary, width)]
    if excluded:
        lines += [Content(""), *excluded] if len(lines) + len(excluded) < height else excluded[:1]
    return [line.truncate(width, ellipsis=True) for line in lines]


def _bars(summary: DatasetSummary, width: int) -> list[Content]:
    most, names = max(summary.clips.values()), min(widest(summary.clips), max(8, width // 2))
    room = max(4, min(32, width - names - 8))
    return [
        Content.assemble(
            f"{fitted(genre, names)} ", ("━" * max(1, round(room * clips / most)), "$train"), f" {clips:,}"
        )
        for genre, clips in summary.clips.items()
    ]


def _excluded(summary: DatasetSummary) -> list[Content]:
    if not summary.excluded:
        return []
    lines = [Content.styled(f"! {count(len(summary.excluded), 'file')} left out", "$warn")]
    lines += [Content.assemble(f"  {path} ", (reason, "$text-muted")) for path, reason in summary.excluded[:MAX_LISTED]]
    if (more := len(summary.excluded) - MAX_LISTED) > 0:
        lines.append(Content.styled(f"  and {more:,} more", "$text-muted"))
    return lines


def _hours(hours: float) -> str:
    return f"{hours:.1f} h" if hours >= 1 else f"{hours * 60:.0f} min"


def _lengths(summary: DatasetSummary) -> str:
    shortest, longest = _seconds(summary.shortest_s), _seconds(summary.longest_s)
    return f"{longest} s each" if shortest == longest else f"{shortest} to {longest} s"


def _seconds(seconds: float) -> str:
    return f"{seconds:.0f}" if seconds >= 10 else f"{seconds:.1f}".removesuffix(".0")


def _some(names: list[str], most: int) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
