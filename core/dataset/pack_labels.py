"""The clips of a feature pack with their genres: the pack's own, those of a column or of a table, merged and chosen as
`LabelSettings` say. Imports no torch."""

from dataclasses import replace
from pathlib import Path

from core.dataset.clip import Clip, DatasetError
from core.dataset.labels.files import LabelledFile, Labels
from core.dataset.labels.genres import Resolved, genres_in, resolve
from core.dataset.labels.settings import KINDS, LabelSettings
from core.dataset.matching import Matching, match_clips
from core.dataset.metadata import no_column, read_table
from core.dataset.pack_manifest import read_pack_index
from core.util.text import printable


def packed_labels(root: Path, settings: LabelSettings, index: Path | None = None) -> tuple[list[Clip], Resolved]:
    """The clips that have a genre, in the order of the pack, and what else was found out.

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
    # The files that are left are some of these very objects.
    place = {id(file): clip for file, clip in zip(files, clips, strict=True)}
    kept = [
        replace(place[id(file)], genre=genre)
        for file, genre in zip(resolved.labels.files, resolved.genres, strict=True)
    ]
    if not kept:
        raise DatasetError(f"No clip of the feature pack {printable(root)} has a genre ({described}).")
    return kept, resolved


def _of_column(root: Path, clips: list[Clip], settings: LabelSettings) -> tuple[list[list[str]], str]:
    column = settings.label_column
    if column is None:
        genres = len({clip.genre for clip in clips})
        return [[clip.genre] for clip in clips], f"the feature pack's; {len(clips):,} clips of {genres:,} genres"
    if not any(column in clip.columns for clip in clips):
        known = sorted({name for clip in clips for name in clip.columns})
        raise DatasetError(
            f"The feature pack {printable(root)} has no column {printable(column)!r}: name one of "
            f"{', '.join(map(printable, known))} with --label-column."
        )
    cells = [genres_in(clip.columns.get(column, "")) for clip in clips]
    return cells, f"the feature pack's column {printable(column)}; {sum(map(bool, cells)):,} of {len(clips):,} clips"


def _of_table(clips: list[Clip], settings: LabelSettings) -> tuple[list[list[str]], str, Matching]:
    table = read_table(Path(settings.source), settings.path_column)
    column = settings.label_column or next(iter(table.label_columns), None)
    if column not in table.columns:
        raise no_column(table, column or "genre", "--label-column")
    table.check_single(str(column))
    matching = match_clips(table, clips)
    matched = sum(map(bool, matching.rows))
    if not matched:
        raise DatasetError(f"No row of {printable(table.path)} names any of the {len(clips):,} clips of the pack.")
    described = f"{printable(table.path.name)}, column {printable(column)}; {matched:,} of {len(clips):,} clips matched"
    return [genres_in(row.get(column, "")) for row in matching.rows], described, matching
