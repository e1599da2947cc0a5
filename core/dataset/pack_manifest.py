"""The clips of a feature pack and their genres, without its spectrograms. Imports no torch.

A pack is a folder with three files: ``features.npy``, (R, M, T) uint8; ``index.csv`` with a row for each of the R
spectrograms, in the same order; and ``pack.json`` with the front end, which is written last. The excerpts of a clip are
consecutive rows, and the column ``excerpt`` counts them from 0.
"""

import csv
import io
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from core.dataset.clip import Clip, DatasetError
from core.dataset.labels.files import LabelledFile, Labels
from core.dataset.labels.genres import Resolved, genres_in, resolve
from core.dataset.matching import Matching, match_clips
from core.dataset.metadata import column_list, no_column, read_table
from core.dataset.settings import KINDS, LabelSettings
from core.features.settings import FrontEndSettings
from core.util.errors import reason
from core.util.files import LARGE_FILE_BYTES, read_small
from core.util.paths import name_fault
from core.util.text import counted, printable

VERSION, WITH_EXCERPTS = 1, 2
"""Packs with one excerpt per clip are of version 1, which earlier versions of this program can read."""
FEATURES, INDEX, MANIFEST = "features.npy", "index.csv", "pack.json"
OWN_COLUMNS = ("name", "genre", "content", "frames", "rate", "channels", "format", "duration_s", "crc32", "excerpt")
OF_CLIP = [column for column in OWN_COLUMNS if column not in ("frames", "crc32", "excerpt")]
KEPT = "index:"
"""Prefix of columns of the dataset's index whose names are the same as the pack's own."""


class Manifest(msgspec.Struct):
    version: int
    front_end: FrontEndSettings
    source: str
    """The name of the dataset, for information."""


@dataclass(frozen=True)
class PackIndex:
    front_end: FrontEndSettings
    clips: list[Clip]
    counts: list[int]
    """Number of excerpts of each clip."""
    frames: list[int]
    """Valid frames of each excerpt."""
    checksums: list[int] | None
    """CRC-32 of each spectrogram; None for packs of earlier versions, which have none."""


def is_pack(folder: Path) -> bool:
    return (folder / MANIFEST).is_file()


def read_pack_index(folder: Path) -> PackIndex:
    """The clips of the pack, in the order of its spectrograms.

    Raises:
        DatasetError: a file of the pack is missing, damaged, or of a later version.
    """
    try:
        manifest = msgspec.json.decode(read_small(folder / MANIFEST), type=Manifest)
        if not VERSION <= manifest.version <= WITH_EXCERPTS:
            raise DatasetError(
                f"The feature pack {printable(folder)} is of version {manifest.version}; this program "
                f"reads up to {WITH_EXCERPTS}."
            )
        text = read_small(folder / INDEX, LARGE_FILE_BYTES).decode()
        rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
        if not rows:
            raise ValueError(f"{INDEX} names no clips")
        first = [row for row in rows if int(row.get("excerpt") or 0) == 0]
        counts = [0] * len(first)
        clip = -1
        for row in rows:
            clip += int(row.get("excerpt") or 0) == 0
            if int(row.get("excerpt") or 0) != counts[clip]:
                raise ValueError(f"the excerpts of {row['name']} in {INDEX} are not complete")
            counts[clip] += 1
        clips = [_clip(folder, row) for row in first]
        frames = [_frames(row, manifest.front_end) for row in rows]
        checksums = [int(row["crc32"]) for row in rows] if "crc32" in rows[0] else None
        return PackIndex(manifest.front_end, clips, counts, frames, checksums)
    except KeyError as error:
        raise DatasetError(
            f"The feature pack {printable(folder)} is damaged: {INDEX} has no column {printable(str(error))}."
        ) from error
    except (OSError, ValueError, RecursionError, csv.Error) as error:
        raise DatasetError(f"The feature pack {printable(folder)} is damaged: {reason(error)}.") from error


def write_pack_index(
    folder: Path,
    front_end: FrontEndSettings,
    clips: list[Clip],
    counts: list[int],
    frames: list[int],
    checksums: list[int],
    source: str,
) -> None:
    """Write index and manifest of a pack whose spectrograms are written already; see `PackIndex`."""
    # The column "name" of the dataset's index is the same as the pack's own.
    extra = list(dict.fromkeys(column for clip in clips for column in clip.columns if column != "name"))
    several = max(counts) > 1
    with (folder / INDEX).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*OWN_COLUMNS[: None if several else -1], *map(_written, extra)])
        writer.writeheader()
        rows = zip(frames, checksums, strict=True)
        for clip, count in zip(clips, counts, strict=True):
            own = {column: getattr(clip, column) for column in OF_CLIP}
            kept = {_written(column): clip.columns.get(column, "") for column in extra}
            for excerpt in range(count):
                length, checksum = next(rows)
                number = {"excerpt": excerpt} if several else {}
                writer.writerow(own | {"frames": length, "crc32": checksum} | number | kept)
    manifest = Manifest(WITH_EXCERPTS if several else VERSION, front_end, source)
    (folder / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))


def _written(column: str) -> str:
    """The name in the pack's index for a column of the dataset's index."""
    return KEPT + column if column in OWN_COLUMNS or column.startswith(KEPT) else column


def _clip(folder: Path, row: dict[str, str]) -> Clip:
    """
    Raises:
        ValueError: the row has more or fewer fields than the header, or a name that cannot be a file name.
    """
    if None in row or None in row.values():
        raise ValueError(f"the row of {row['name']} in {INDEX} has another number of fields than the header")
    for column in ("name", "genre"):
        if fault := name_fault(row[column]):
            raise ValueError(f"the {column} {printable(row[column])!r} in {INDEX} {fault}")
    columns = {column.removeprefix(KEPT): value for column, value in row.items() if column not in OWN_COLUMNS}
    return Clip(
        path=folder / row["name"],
        genre=row["genre"],
        name=row["name"],
        content=row["content"],
        rate=int(row["rate"]),
        channels=int(row["channels"]),
        format=row["format"],
        duration_s=float(row["duration_s"]),
        columns={"genre": row["genre"]} | columns,  # for packs that do not have the index's own column
    )


def _frames(row: dict[str, str], front_end: FrontEndSettings) -> int:
    """
    Raises:
        ValueError: clips of this front end cannot have that number.
    """
    frames = int(row["frames"])
    if not 1 <= frames <= front_end.frames:
        raise ValueError(f"{row['name']} has {frames} frames in {INDEX}, and clips have 1 to {front_end.frames}")
    return frames


def packed_labels(root: Path, settings: LabelSettings, index: Path | None = None) -> tuple[list[Clip], Resolved]:
    """The clips that have a genre, in the order of the pack, and the resolved labels.

    Args:
        index: a table with more columns for the clips.

    Raises:
        DatasetError: the pack is damaged, or a table, column, map or tree cannot be used.
    """
    clips, notes = read_pack_index(root).clips, []
    if index:
        metadata = match_clips(read_table(index), clips)
        notes = metadata.notes
        rows = zip(clips, metadata.rows, strict=True)
        clips = [replace(clip, columns={**clip.columns, **row}) for clip, row in rows]
    if settings.source in KINDS:
        (cells, described), counts = _of_column(root, clips, settings), None
    else:
        cells, described, matching = _of_table(clips, settings)
        notes, counts = notes + matching.notes, matching.counts()
    files = [
        LabelledFile(clip.path, f"{clip.genre}/{clip.name}", genres, clip.columns)
        for clip, genres in zip(clips, cells, strict=True)
    ]
    kind = "folders" if settings.label_column is None and settings.source in KINDS else "pack"
    labels = Labels(root, files, described, kind, notes=notes, total=len(files), matching=counts)
    resolved = resolve(labels, settings)
    # The remaining files are some of these objects.
    clip_of = {id(file): clip for file, clip in zip(files, clips, strict=True)}
    kept = [
        replace(clip_of[id(file)], genre=genre)
        for file, genre in zip(resolved.labels.files, resolved.genres, strict=True)
    ]
    if not kept:
        raise DatasetError(f"No clip of the feature pack {printable(root)} has a genre ({described}).")
    return kept, resolved


def _of_column(root: Path, clips: list[Clip], settings: LabelSettings) -> tuple[list[list[str]], str]:
    column = settings.label_column
    if column is None:
        genres = len({clip.genre for clip in clips})
        return [
            [clip.genre] for clip in clips
        ], f"the feature pack's; {counted(len(clips), 'clip')} of {counted(genres, 'genre')}"
    if not any(column in clip.columns for clip in clips):
        known = sorted({name for clip in clips for name in clip.columns})
        raise DatasetError(
            f"The feature pack {printable(root)} has no column {printable(column)!r}: name one of "
            f"{column_list(known)} with --label-column."
        )
    cells = [genres_in(clip.columns.get(column, "")) for clip in clips]
    return (
        cells,
        f"the feature pack's column {printable(column)}; {sum(map(bool, cells)):,} of {counted(len(clips), 'clip')}",
    )


def _of_table(clips: list[Clip], settings: LabelSettings) -> tuple[list[list[str]], str, Matching]:
    table = read_table(Path(settings.source), settings.path_column)
    column = settings.label_column or next(iter(table.label_columns), None)
    if column not in table.columns:
        raise no_column(table, column or "genre", "--label-column")
    table.check_single(str(column))
    matching = match_clips(table, clips)
    matched = sum(map(bool, matching.rows))
    if not matched:
        raise DatasetError(f"No row of {printable(table.path)} names any of the pack's {counted(len(clips), 'clip')}.")
    described = f"{printable(table.path.name)}, column {printable(column)}; {matched:,} of {len(clips):,} clips matched"
    return [genres_in(row.get(column, "")) for row in matching.rows], described, matching
