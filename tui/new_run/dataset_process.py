"""``python -m tui.new_run.dataset_process``: summarises a dataset before a run, in a process of its own. No torch.

The summary is what ``data check`` finds, and how a run would divide the dataset. A decoder that crashes on a broken
file takes no viewer with it, and a scan that is no longer wanted is killed. The protocol is that of
`core.util.jsonl_process`; `Progress` is an event."""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from textual.content import Content

from core.dataset.clip import DatasetError
from core.dataset.report import DataReport, GenreReport
from core.dataset.settings import KINDS, LabelSettings, SplitSettings
from core.util.jsonl_process import WorkerChannel, path_from_json
from core.util.text import counted, printable
from tui.formatting import bar, fitted, percent, widest

MAX_LISTED = 8
"""Files left out, and groups of duplicates, that are listed; the others are counted."""


@dataclass(frozen=True)
class DatasetSummary:
    report: DataReport
    parts: dict[str, int]
    """train, valid, test → clips."""
    labels: LabelSettings = field(default_factory=LabelSettings)
    """What finds the same labels again."""
    dataset_split: SplitSettings | None = None
    """What suits the dataset: the collection's own split, or one that keeps artists together; None: the preset's."""
    columns: list[str] = field(default_factory=list)
    """Columns of the clips: artist, album, split."""
    table_columns: list[str] = field(default_factory=list)
    """Columns of the table that holds the labels, if it is a plain table."""

    @property
    def genres(self) -> list[GenreReport]:
        """Those with clips."""
        return [genre for genre in self.report.genres if genre.clips]

    @property
    def clips(self) -> int:
        return sum(genre.clips for genre in self.genres)


def summarise(
    folder: Path,
    asked: SplitSettings | None = None,
    labels: LabelSettings | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> DatasetSummary:
    """Scan a dataset: hashes every new file and reads its header and both ends, some ten seconds per thousand.

    Args:
        asked: the split; None takes the one that suits the dataset.

    Raises:
        DatasetError: it cannot be trained on.
    """
    # These import numpy and the decoders.
    from core.dataset.metadata import read_table
    from core.dataset.report import report_on
    from core.dataset.scan import scan
    from core.dataset.split import default_split, split

    found = scan(folder, labels=labels, on_progress=on_progress)
    suited, _ = default_split(found, SplitSettings())
    table_columns: list[str] = []
    if found.labels.source not in KINDS:
        with suppress(DatasetError):  # a public collection's own format
            table_columns = read_table(Path(found.labels.source)).columns
    return DatasetSummary(
        report=report_on(found, folder, labels),
        parts={part: len(members) for part, members in split(found.clips, asked or suited).parts().items()},
        labels=found.labels,
        dataset_split=None if suited == SplitSettings() else suited,
        columns=sorted({name for clip in found.clips for name in clip.columns}),
        table_columns=table_columns,
    )


def head_lines(summary: DatasetSummary) -> list[Content]:
    """Size, split, source of the labels and formats, one line each."""
    hours = sum(genre.hours for genre in summary.genres)
    excluded = len(summary.report.excluded)
    formats: Counter[str] = Counter()
    for genre in summary.genres:
        formats.update(genre.formats)
    rates = {rate for genre in summary.genres for rate in genre.rates}
    sounds = _some([name for name, _ in formats.most_common()], 3)
    return [
        Content.assemble(
            (counted(summary.clips, "clip"), "bold"),
            f" · {counted(len(summary.genres), 'genre')} · {_hours(hours)} · {_lengths(summary)}",
            (f" · {counted(excluded, 'file')} left out" if excluded else "", "$warn"),
        ),
        Content(" · ".join(f"{part} {clips:,}" for part, clips in summary.parts.items())),
        Content(summary.report.labels),
        Content(f"{sounds} · {_some([f'{rate:,} Hz' for rate in sorted(rates)], 3)}" if rates else sounds),
    ]


def genre_line(genre: GenreReport, summary: DatasetSummary, width: int) -> Content:
    """A genre with a bar of its clips, their number and their hours."""
    most, names = max(other.clips for other in summary.genres), widest(other.genre for other in summary.genres)
    figures = f" {genre.clips:>7,} {_hours(genre.hours):>7}"
    names = min(names, max(8, width // 2))
    room = max(0, min(40, width - names - len(figures) - 1))
    drawn = bar(genre.clips / most, room) or "╸"
    return Content.assemble(
        f"{fitted(printable(genre.genre), names)} ", (f"{drawn:<{room}}" if room else "", "$accent"), figures
    )


def finding_lines(summary: DatasetSummary) -> list[Content]:
    """Baseline, durations, files left out, duplicates and notes."""
    report = summary.report
    most = max(summary.genres, key=lambda genre: genre.clips).genre
    lines = [Content(f"baseline: always answering {printable(most)} has an accuracy of {percent(report.majority)}")]
    if report.sharing_artist:
        lines.append(
            Content.styled(
                f"! of a random test part, {counted(report.sharing_artist, 'clip')} would share an artist with training"
                "; the split grouped by auto keeps artists together",
                "$warn",
            )
        )
    longest = max(report.durations.values(), default=1)
    names = widest(report.durations)
    lines += [Content(""), Content.styled("Durations", "bold")]
    lines += [
        Content.assemble(f"{name:<{names}} ", (f"{bar(clips / longest, 16) or '╸':<16}", "$accent"), f" {clips:,}")
        for name, clips in report.durations.items()
    ]
    copies = [group for group in report.duplicates if group not in report.across_genres]
    lines += _listed("left out", [(item.path, item.reason) for item in report.excluded])
    lines += _listed("the same sound under different genres", [(" = ".join(g), "") for g in report.across_genres])
    lines += _listed("the same sound more than once", [(" = ".join(group), "") for group in copies])
    if report.undecoded:
        note = "Files are read at both ends: genre-tui data check also finds damage in the middle, and near duplicates."
        lines += [Content(""), Content.styled(note, "$text-muted")]
    if report.notes:
        lines += [Content(""), *(Content.styled(note, "$text-muted") for note in report.notes)]
    return lines


def _listed(title: str, files: list[tuple[str, str]]) -> list[Content]:
    if not files:
        return []
    lines = [Content(""), Content.styled(f"! {title} ({len(files):,})", "$warn")]
    lines += [Content.assemble(f"  {path} ", (reason, "$text-muted")) for path, reason in files[:MAX_LISTED]]
    if (more := len(files) - MAX_LISTED) > 0:
        lines.append(Content.styled(f"  and {more:,} more", "$text-muted"))
    return lines


def _hours(hours: float) -> str:
    return f"{hours:.1f} h" if hours >= 1 else f"{hours * 60:.0f} min"


def _lengths(summary: DatasetSummary) -> str:
    shortest = _seconds(min(genre.shortest_s for genre in summary.genres))
    longest = _seconds(max(genre.longest_s for genre in summary.genres))
    return f"{longest} s each" if shortest == longest else f"{shortest} to {longest} s"


def _seconds(seconds: float) -> str:
    return f"{seconds:.0f}" if seconds >= 10 else f"{seconds:.1f}".removesuffix(".0")


def _some(names: list[str], most: int) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


EVERY = 25
"""Files between two progress events."""


class Scan(msgspec.Struct, frozen=True, tag_field="kind", tag="scan"):
    """Scan a folder and split it, as asked or as the dataset suggests; its path as `path_to_json` gives it."""

    folder: str
    split: SplitSettings | None = None
    labels: LabelSettings = LabelSettings()


class Progress(msgspec.Struct, frozen=True, tag_field="kind", tag="progress"):
    done: int
    total: int


class Found(msgspec.Struct, frozen=True, tag_field="kind", tag="found"):
    summary: DatasetSummary


Message = Progress | Found


def main() -> None:
    channel = WorkerChannel()

    def progress(done: int, total: int) -> None:
        if done % EVERY == 0:
            channel.send(Progress(done, total))

    def found(request: Scan) -> Found:
        return Found(summarise(path_from_json(request.folder), request.split, request.labels, progress))

    channel.serve(Scan, found)


if __name__ == "__main__":
    main()
