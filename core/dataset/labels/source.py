"""Finding the labels of a dataset: by looking, or as the settings say; and the files' own tags as a source."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from core.audio.files.open_file import AudioError
from core.audio.files.tags import Tags, read_tags
from core.dataset.clip import DatasetError, Excluded
from core.dataset.labels import collections
from core.dataset.labels.files import AudioFile, LabelledFile, Labels, find_audio, listing_once
from core.dataset.labels.folders import folder_labels
from core.dataset.labels.genres import genres_in, resolve
from core.dataset.labels.table import FIRST_NAMES, find_tables, table_labels
from core.dataset.labels.tree import GenreTree
from core.dataset.matching import RowCounts
from core.dataset.metadata import Table, column_list, no_column, read_table
from core.dataset.settings import LabelSettings
from core.util.archive.path import as_path, folder_above
from core.util.file_cache import FileCache
from core.util.text import printable

OnProgress = Callable[[int, int], None]
SAMPLE = 64
"""Files whose tags are read to distinguish a library by artist from a folder per genre."""


def tag_labels(folder: Path, on_progress: OnProgress | None = None) -> Labels:
    """Read genres, artists and albums from the tags of every file below ``folder``.

    Args:
        on_progress: called with the number of files whose tags are read, and of all files.

    Raises:
        OSError: the folder cannot be listed.
    """
    excluded: list[Excluded] = []
    files = find_audio(folder, excluded)
    labelled: list[LabelledFile] = []
    for (path, name), tags in zip(files, _remembered(folder, files, on_progress), strict=True):
        if isinstance(tags, str):
            excluded.append(Excluded(name, tags))
        elif not tags.genres:
            reason = "has no genre in its tags: tag it, or name a table of genres with --labels"
            excluded.append(Excluded(name, reason))
        else:
            columns = {"artist": printable(tags.artist or tags.album_artist), "album": printable(tags.album)}
            genres = [printable(part) for genre in tags.genres for part in genres_in(genre)]
            labelled.append(LabelledFile(path, name, genres, {key: value for key, value in columns.items() if value}))
    description = f"the files' tags; {len(labelled):,} of {len(files):,} files have a genre"
    return Labels(folder, labelled, description, "tags", excluded=excluded, total=len(files))


def _remembered(folder: Path, files: list[AudioFile], on_progress: OnProgress | None) -> Iterator[Tags | str]:
    """Yield the tags of each file, or why it cannot be opened; they are cached until the file changes."""
    with FileCache(folder, "tags", Tags) as cache:
        for done, tags in enumerate(cache.all(files, _read), start=1):
            yield tags
            if on_progress:
                on_progress(done, len(files))


def _read(path: Path) -> Tags | str:
    try:
        return read_tags(path)
    except AudioError as error:
        return error.reason


def is_library(folder: Path) -> bool:
    """Whether a folder is a library labelled by tags: most files have a genre tag, and are not in a subfolder or in one
    named after their artist or album."""
    files = find_audio(folder, [])
    step = max(1, len(files) // SAMPLE)
    sample = files[::step][:SAMPLE]
    by_tags = 0
    for path, name in sample:
        tags = _read(path)
        if isinstance(tags, str) or not tags.genres:
            continue
        *folders, _ = name.split("/")
        by_tags += not folders or _names(folders[0], tags)
    return bool(sample) and by_tags * 2 > len(sample)


def _names(folder: str, tags: Tags) -> bool:
    """Whether a folder is named after the artist or album and not after a genre."""
    name = folder.casefold()
    if name in {genre.casefold() for genre in tags.genres}:
        return False
    return any(text and text.casefold() in name for text in (tags.artist, tags.album_artist, tags.album))


AGREEMENT = 0.9
"""Share of the files whose folder has the name of their genre in a table, from which on the folders are the source."""


@dataclass(frozen=True)
class LabelSource:
    """The labelled files, their genres, and the source."""

    root: Path
    files: list[LabelledFile]
    genres: list[str]
    """One per file."""
    excluded: list[Excluded]
    notes: list[str]
    description: str
    """``labels: tracks.csv, column genre_top; 7,994 of 8,000 files matched``"""
    settings: LabelSettings
    """Settings that give the same labels again, with their digest."""
    tree: GenreTree | None
    has_split: bool
    """Whether it defines a split of three parts in the column ``split``."""
    total: int
    matching: RowCounts | None = None


def read_labels(
    folder: Path, settings: LabelSettings, index: Path | None = None, on_progress: OnProgress | None = None
) -> LabelSource:
    """Find the labels of the audio below ``folder``.

    Args:
        on_progress: called with the numbers of files whose tags were read and of all files, if tags are the source.
        index: a table with more columns for the files of a folder per genre.

    Raises:
        DatasetError: a table, column, map or tree is missing or fits no file.
        OSError: the folder cannot be listed.
    """
    with listing_once():
        labels = _labels(folder, settings, index, on_progress)
    resolved = resolve(labels, settings)
    root = labels.root
    digest = hashlib.sha256()
    for file, genre in zip(resolved.labels.files, resolved.genres, strict=True):
        digest.update(f"{file.name}\t{genre}\n".encode())
    found = msgspec.structs.replace(
        settings,
        source=labels.kind,
        path_column=labels.path_column,
        label_column=labels.label_column,
        digest=digest.hexdigest()[:32],
    )
    return LabelSource(
        root,
        resolved.labels.files,
        resolved.genres,
        labels.excluded + resolved.excluded,
        labels.notes + resolved.notes,
        f"labels: {labels.description}",
        found,
        resolved.labels.tree,
        resolved.labels.own_split and resolved.labels.has_split,
        labels.total,
        labels.matching,
    )


def _labels(folder: Path, settings: LabelSettings, index: Path | None, on_progress: OnProgress | None) -> Labels:
    match settings.source:
        case "folders" if index is None and (layout := collections.of_layout(folder)):
            return layout.labels(folder, None, settings)
        case "folders" | "flat":
            return folder_labels(folder, index, deep=settings.source == "folders")
        case "tags":
            return tag_labels(folder, on_progress)
        case "auto":
            return _look(folder, settings, index, on_progress)
        case path:
            return _named(folder, Path(path), settings)


def _named(folder: Path, path: Path, settings: LabelSettings) -> Labels:
    """Labels from a table that the user named.

    Raises:
        DatasetError: the file does not exist, or it is not a table.
    """
    path = as_path(path)
    if not path.exists():
        raise DatasetError(
            f"There is no label file {printable(path)}: name a table with --labels, or leave the option out to use the "
            "folders' names."
        )
    if collection := collections.of_file(path):
        return collection.labels(folder, path, settings)
    if path.is_dir():
        tables = list(find_tables(path, settings))
        if not tables:
            raise DatasetError(f"{printable(path)} holds no table of files and genres: name the table with --labels.")
        table = tables[0]
    else:
        table = read_table(path, settings.path_column)
    return table_labels(folder, table, path_column=settings.path_column, label_column=settings.label_column)


def _look(folder: Path, settings: LabelSettings, index: Path | None, on_progress: OnProgress | None) -> Labels:
    """Detect the source: a public collection, a table, tags, or folders."""
    if settings.label_column is None and (collection := collections.of_folder(folder)):
        return collection.labels(folder, None, settings)
    if settings.label_column is not None and (found := collections.table_in(folder)):
        return found[0].labels(folder, found[1], settings)
    unused: list[str] = []
    incomplete: list[Table] = []
    for place in (folder, folder_above(folder)):
        above = place != folder
        for table in find_tables(place, settings):
            usual = table.path.stem.lower() in FIRST_NAMES
            if not {settings.path_column, settings.label_column} - {None} <= set(table.columns):
                incomplete += [] if above and not usual else [table]
                continue
            try:
                labels = table_labels(
                    folder, table, path_column=settings.path_column, label_column=settings.label_column
                )
            except DatasetError as error:  # a table of something else
                if not above:
                    unused.append(f"{printable(table.path.name)} is not used: {error}")
                continue
            if above and (not usual or len(labels.files) * 2 < labels.total):
                continue  # of another dataset, or made from this one
            if settings.label_column is None and _folders_agree(labels):
                chosen = index or (table.path if table.path.is_file() else None)
                return folder_labels(folder, chosen)
            return labels
    for option, column in (("--label-column", settings.label_column), ("--path-column", settings.path_column)):
        if column is not None:
            raise _no_table(folder, column, option, [t for t in incomplete if column not in t.columns], unused)
    labels = tag_labels(folder, on_progress) if is_library(folder) else folder_labels(folder, index)
    return replace(labels, notes=[*unused, *labels.notes])


def _no_table(folder: Path, column: str, option: str, tables: list[Table], unused: list[str]) -> DatasetError:
    """The error for a column that the user named when no table was usable.

    Args:
        tables: those without the column.
        unused: why tables that have it were not used, a sentence each.
    """
    if unused:
        return DatasetError(unused[0])
    if len(tables) == 1:
        return no_column(tables[0], column, option)
    if not tables:
        return DatasetError(
            f"{printable(folder)} holds no table with the column {printable(column)!r}: name the table with --labels."
        )
    has = "; ".join(f"{printable(table.path.name)} has {column_list(table.columns)}" for table in tables)
    return DatasetError(
        f"No table in {printable(folder)} has the column {printable(column)!r} ({has}): name one of these columns with "
        f"{option}, or another table with --labels."
    )


def _folders_agree(labels: Labels) -> bool:
    """Whether nearly every file is in a folder named like its genre."""

    def agrees(file: LabelledFile) -> bool:
        folders = {part.casefold() for part in file.name.split("/")[:-1]}
        return bool(file.genres) and file.genres[0].casefold() in folders

    agree = sum(map(agrees, labels.files))
    return agree >= AGREEMENT * max(1, len(labels.files))
