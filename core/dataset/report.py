"""The report of ``data check`` about a dataset."""

import math
import os
import shlex
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from core.dataset.clip import Clip, DatasetError, Excluded, OnProgress
from core.dataset.inspect_file import Decoding
from core.dataset.matching import RowCounts
from core.dataset.pack_manifest import is_pack
from core.dataset.scan import Scan, check_genres, reasons, survey
from core.dataset.settings import MOST_COMPARED, SHORTEST_COMPARED, LabelSettings, SplitSettings
from core.dataset.split import Split, auto_column, default_split, sharing_artist, split
from core.util.text import cells, counted, left_aligned, printable

DURATIONS = {
    "up to 10 s": 10.0,
    "up to 30 s": 30.5,  # clips cut to 30 s are slightly longer
    "up to 45 s": 45.0,
    "up to 2 min": 120.0,
    "up to 5 min": 300.0,
    "up to 10 min": 600.0,
    "up to 1 h": 3600.0,
    "longer": math.inf,
}
"""Bins of the histogram of durations, with their upper limits in seconds."""
MOST_DECODED = 100.0
"""Hours of sound that are decoded by default, which takes minutes on two cores."""
BAR = 30
"""Width of the longest bar in cells."""


@dataclass(frozen=True)
class GenreReport:
    """Figures for a genre. ``formats`` and ``rates`` (in Hz) map to numbers of clips."""

    genre: str
    clips: int
    hours: float
    shortest_s: float
    longest_s: float
    formats: dict[str, int]
    rates: dict[int, int]
    excluded: int


@dataclass(frozen=True)
class DataReport:
    """``duplicates`` are groups of files with equal content, ``near_duplicates`` groups of clips that sound like one
    recording; groups in ``across_genres`` have different labels."""

    root: str
    genres: list[GenreReport]
    excluded: list[Excluded]
    duplicates: list[list[str]]
    near_duplicates: list[list[str]] | None
    """None if this was not checked."""
    undecoded: int
    """Clips of which only the header and both ends were read, so that damage in the middle is unknown."""
    across_genres: list[list[str]]
    refused: str | None
    """Why training would refuse the dataset; None if it would not."""
    labels: str
    """Where the genres come from."""
    matching: RowCounts | None
    """How the rows of a table match the files; None without a table."""
    notes: list[str]
    """What else a user should know, such as genres without usable clips and rows that match no clip."""
    durations: dict[str, int]
    """Number of clips per bin of `DURATIONS`."""
    majority: float
    """The baseline: the share of the most frequent genre."""
    sharing_artist: int | None
    """Test clips of the default split whose artist is also in training; None if no artist is known."""
    command: str
    """The command that trains on this dataset."""

    @property
    def is_clean(self) -> bool:
        return not (self.excluded or self.duplicates or self.near_duplicates or self.refused or self.notes)

    def as_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {
            **asdict(self),
            "clips": sum(genre.clips for genre in self.genres),
            "hours": sum(genre.hours for genre in self.genres),
        }

    def as_text(self) -> str:
        """A table of the genres, followed by a line for each problem."""
        rows: list[tuple[str, ...]] = [("genre", "clips", "hours", "seconds", "formats", "rates", "left out")]
        rows += [_row(genre) for genre in self.genres]
        widths = [max(cells(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines = ["  ".join(map(left_aligned, row, widths)).rstrip() for row in rows]
        clips, hours = sum(g.clips for g in self.genres), sum(g.hours for g in self.genres)
        lines.insert(0, self.labels)
        lines.append(
            f"{counted(clips, 'clip')} in {counted(sum(g.clips > 0 for g in self.genres), 'genre')}, {hours:.2f} hours"
        )
        lines += ["", *_bars("hours per genre", {g.genre: g.hours for g in self.genres}, "{:.2f}")]
        lines += ["", *_bars("clips by duration", self.durations, "{:,}"), ""]
        lines.append(f"baseline: always answering the most frequent genre has an accuracy of {self.majority:.1%}")
        if self.sharing_artist:
            lines.append(f"of the default split's test clips, {self.sharing_artist:,} share an artist with training")
        if self.refused:
            lines.append(f"training would be refused: {self.refused}")
        if self.excluded:
            lines.append(f"left out: {reasons(self.excluded)}")
        lines += _listed("left out", [f"{item.path}: {item.reason}" for item in self.excluded])
        lines += _listed("the same sound under different genres", [" = ".join(g) for g in self.across_genres])
        for title, groups in (
            ("the same sound more than once", self.duplicates),
            ("sounds like one recording", self.near_duplicates or []),
        ):
            within = [group for group in groups if group not in self.across_genres]
            lines += _listed(title, [" = ".join(group) for group in within])
        if self.undecoded:
            lines.append(
                f"not searched for damage in the middle and near duplicates: {counted(self.undecoded, 'file')}, of "
                "which only the header and both ends were read; --decode reads everything"
            )
        elif self.near_duplicates is None and clips > MOST_COMPARED:
            lines.append(f"near duplicates were not searched, because there are more than {MOST_COMPARED:,} clips")
        lines += self.notes
        if self.is_clean and not self.undecoded:
            lines.append("no unreadable, silent, truncated or duplicate files")
        if not self.refused:
            lines.append(f"train on it with: {self.command}")
        return "\n".join(lines)


def check(
    folder: str | os.PathLike[str],
    *,
    labels: LabelSettings | None = None,
    by_sound: bool = True,
    decode: bool | None = None,
    on_progress: OnProgress | None = None,
    on_decoded: OnProgress | None = None,
    on_features: Callable[[int, int, int], None] | None = None,
) -> DataReport:
    """Report on a dataset: its clips, unusable files and duplicates.

    Args:
        labels: see `core.dataset.scan.scan`.
        by_sound: also find near duplicates among up to `MOST_COMPARED` clips, which computes their spectrograms; only
            if all files are decoded.
        decode: decode every file completely, which finds damage in the middle; by default if all of them are at most
            `MOST_DECODED` hours long.
        on_decoded: called with the numbers of files decoded and to be decoded.
        on_features: see `core.dataset.load.load_dataset`.

    Raises:
        DatasetError: the folder does not exist, or has no usable audio.
    """
    hours = MOST_DECODED if decode is None else math.inf if decode else 0.0
    found = survey(folder, labels=labels, on_progress=on_progress, decoding=Decoding(hours, on_decoded))
    by_sound = by_sound and not found.undecoded
    return report_on(found, folder, labels, alike=_alike(found, on_features) if by_sound else None)


def report_on(
    found: Scan,
    folder: str | os.PathLike[str],
    labels: LabelSettings | None = None,
    *,
    alike: list[list[Clip]] | None = None,
) -> DataReport:
    """The report on a scan.

    Args:
        folder, labels: the arguments, for the command.
        alike: near duplicates; None if they were not searched.
    """
    by_genre: dict[str, list[Clip]] = defaultdict(list)
    by_content: dict[str, list[Clip]] = defaultdict(list)
    for clip in found.clips:
        by_genre[clip.genre].append(clip)
        by_content[clip.content].append(clip)
    lost: dict[str, int] = defaultdict(int)
    for item in found.excluded:
        lost[item.genre] += 1
    settings, _ = default_split(found, SplitSettings())
    divided, refused = _divided(found, settings)
    copies = [clips for clips in by_content.values() if len(clips) > 1]
    return DataReport(
        root=printable(found.root),
        genres=[_report(genre, by_genre[genre], lost[genre]) for genre in sorted({*by_genre, *lost} - {""})],
        excluded=found.excluded,
        duplicates=[_names(found.root, clips) for clips in copies],
        near_duplicates=None if alike is None else [_names(found.root, clips) for clips in alike],
        undecoded=found.undecoded,
        across_genres=[
            _names(found.root, clips) for clips in [*copies, *(alike or [])] if len({clip.genre for clip in clips}) > 1
        ],
        refused=refused,
        labels=found.label_source,
        matching=found.matching,
        notes=found.notes,
        durations=_durations([clip.duration_s for clip in found.clips]),
        majority=max(map(len, by_genre.values())) / len(found.clips),
        sharing_artist=None if divided is None else sharing_artist(found.clips, divided.test, divided.train),
        command=_command(folder, labels, found.clips, settings),
    )


def _alike(found: Scan, on_features: Callable[[int, int, int], None] | None) -> list[list[Clip]] | None:
    """Near duplicates; None for too many clips."""
    if len(found.clips) > MOST_COMPARED:
        return None
    if sum(clip.duration_s >= SHORTEST_COMPARED for clip in found.clips) < 2:
        return []
    from core.dataset.near_duplicates import alike  # imports torch, which the rest of a report does not need

    return alike(found.clips, on_features, found.root if is_pack(found.root) else None)


def _divided(found: Scan, settings: SplitSettings) -> tuple[Split | None, str | None]:
    """The default split of a run, or why it would refuse the dataset."""
    try:
        check_genres(found.genres, printable(found.root))
        return split(found.clips, settings), None
    except DatasetError as error:
        return None, str(error)


def _durations(seconds: list[float]) -> dict[str, int]:
    counts = dict.fromkeys(DURATIONS, 0)
    for one in seconds:
        counts[next(name for name, longest in DURATIONS.items() if one <= longest)] += 1
    return {name: count for name, count in counts.items() if count}


def _command(
    folder: str | os.PathLike[str], labels: LabelSettings | None, clips: list[Clip], default: SplitSettings
) -> str:
    """``genre-tui train FOLDER`` with options for the labels and for grouping by artist or album."""
    words = ["genre-tui", "train", str(folder), *(labels or LabelSettings()).options()]
    if auto_column(clips) and default.protocol == "random":
        words += ["--groups", "auto"]
    return shlex.join(words)


def _bars(title: str, values: Mapping[str, float], number: str) -> list[str]:
    """A bar chart, one line per value."""
    width, most = max(map(cells, values), default=0), max(values.values(), default=0)
    lines = [
        f"  {left_aligned(name, width)}  {'█' * round(BAR * value / (most or 1)):<{BAR}}  {number.format(value)}"
        for name, value in values.items()
    ]
    return [title, *lines]


def _report(genre: str, clips: list[Clip], excluded: int) -> GenreReport:
    formats: dict[str, int] = defaultdict(int)
    rates: dict[int, int] = defaultdict(int)
    for clip in clips:
        formats[clip.format] += 1
        rates[clip.rate] += 1
    seconds = [clip.duration_s for clip in clips] or [0.0]
    return GenreReport(
        genre, len(clips), sum(seconds) / 3600, min(seconds), max(seconds), dict(formats), dict(rates), excluded
    )


def _names(root: Path, clips: list[Clip]) -> list[str]:
    return [printable(clip.path.relative_to(root)) for clip in clips]


def _row(genre: GenreReport) -> tuple[str, ...]:
    return (
        genre.genre,
        str(genre.clips),
        f"{genre.hours:.2f}",
        f"{genre.shortest_s:.0f}–{genre.longest_s:.0f}",
        ", ".join(sorted(genre.formats)) or "–",
        ", ".join(f"{rate / 1000:g} kHz" for rate in sorted(genre.rates)) or "–",
        str(genre.excluded or "–"),
    )


def _listed(title: str, lines: list[str]) -> list[str]:
    return [f"{title} ({len(lines)}):", *(f"  {line}" for line in lines)] if lines else []
