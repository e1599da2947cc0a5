"""Labels from a table of files and genres."""

from collections.abc import Iterator
from pathlib import Path

from core.dataset.clip import DatasetError, Excluded
from core.dataset.labels.files import SPLIT_NAMES, TABLE_SUFFIXES, LabelledFile, Labels, entries, find_audio
from core.dataset.labels.genres import genres_in
from core.dataset.labels.tree import GenreTree
from core.dataset.matching import Matching, match
from core.dataset.metadata import Table, check_file_columns, column_list, no_column, read_rows
from core.dataset.settings import LabelSettings
from core.util.text import counted, printable

FIRST_NAMES = ("metadata", "labels", "tracks", "annotations", "index")
"""Stems of tables that are tried first; above the audio, only these are tried."""
SPLIT_STEM = "split"
"""Stem of a table that defines the split; it may repeat the genres, but is a source of labels only if it is named."""
LARGEST_FOUND = 200_000_000
"""Most bytes of a table that is read without being named."""
MOST_TABLES = 20


def table_labels(
    folder: Path,
    table: Table,
    *,
    path_column: str | None = None,
    label_column: str | None = None,
    tree: GenreTree | None = None,
    name: str | None = None,
) -> Labels:
    """Read the genres of the audio below ``folder`` from a column of ``table``.

    Args:
        name: the table's name in the description.

    Raises:
        DatasetError: a column is missing, or no row names any of the files.
        OSError: the folder cannot be listed.
    """
    column = label_column or next(iter(table.label_columns), None)
    if column is None or column not in table.columns:
        if column is not None:
            raise no_column(table, column, "--label-column")
        raise DatasetError(
            f"{printable(table.path)} has no column of genres: name one of {column_list(table.columns)} with "
            "--label-column."
        )
    table.check_single(column)
    if path_column is None:
        check_file_columns(table)
    excluded: list[Excluded] = []
    files = find_audio(folder, excluded)
    relative = [name for _, name in files]
    matching = match(table, relative, path_column)
    matched = sum(map(bool, matching.rows))
    if not matched:
        raise _no_match(folder, table, matching, relative)
    rivals = {index: row[column] for index, row in matching.rivals if row[column] != matching.rows[index].get(column)}
    shown = name or (f"the tables of {table.path.name}'s parts" if table.path.is_dir() else table.path.name)
    labelled = []
    for index, ((path, name_below), row) in enumerate(zip(files, matching.rows, strict=True)):
        if not row:
            excluded.append(Excluded(relative[index], f"has no row in {printable(shown)}"))
        elif index in rivals:
            two = f"{printable(row[column])} and {printable(rivals[index])}"
            reason = f"has rows with different genres in {printable(shown)} ({two}): keep one of them"
            excluded.append(Excluded(relative[index], reason))
        else:
            labelled.append(LabelledFile(path, name_below, _genres(row[column], tree), _with_split(row)))
    description = (
        f"{printable(shown)}, column {printable(column)}; {matched:,} of {counted(len(files), 'file')} matched"
    )
    return Labels(
        folder,
        labelled,
        description,
        str(table.path.absolute()),
        label_column=column,
        path_column=matching.column,
        excluded=excluded,
        notes=matching.row_notes,
        tree=tree,
        total=len(files),
        own_split=table.path.is_dir(),
        matching=matching.counts(),
    )


def _genres(cell: str, tree: GenreTree | None) -> list[str]:
    found = genres_in(cell)
    return [tree.title(genre) for genre in found] if tree else found


def _with_split(row: dict[str, str]) -> dict[str, str]:
    """Normalise the names of parts in the column ``split``."""
    part = SPLIT_NAMES.get(row.get("split", "").casefold())
    return row | {"split": part} if part else row


def _no_match(folder: Path, table: Table, matching: Matching, files: list[str]) -> DatasetError:
    if not files:
        return DatasetError(f"{printable(folder)} holds no audio for the rows of {printable(table.path)}.")
    if unclear := matching.ambiguous + matching.competing:
        return DatasetError(
            f"The rows of {printable(table.path)} are ambiguous: {len(unclear):,} of {len(table.rows):,}, such as "
            f"{unclear[0]!r}, name a folder that is not in {printable(folder)} or none, and their file name fits "
            f"several files or rows; give each row the file's path below that folder, such as {files[0]!r}."
        )
    wanted = next((row[matching.column] for row in table.rows), "")
    return DatasetError(
        f"No row of {printable(table.path)} names any of the {len(files):,} audio files in {printable(folder)}: its "
        f"column {matching.column} holds names such as {printable(wanted)!r}, and the files are called "
        f"{files[0]!r} and the like; name another column with --path-column or another table with --labels."
    )


def find_tables(folder: Path, settings: LabelSettings | None = None) -> Iterator[Table]:
    """Tables of files and genres in ``folder``, the most likely first; also those of Hugging Face, one per part.

    Args:
        settings: if they name a column, every table counts, whether or not it has that column.
    """
    named = settings is not None and (settings.path_column or settings.label_column) is not None
    path_column = settings.path_column if settings else None
    if parts := list(_tables_of_parts(folder, named, path_column)):
        columns = list(dict.fromkeys(column for table in parts for column in table.columns))
        rows = [{column: row.get(column, "") for column in columns} for table in parts for row in table.rows]
        yield Table(folder, columns, rows)
    found = [path for path in entries(folder) if path.suffix.lower() in TABLE_SUFFIXES and path.is_file()]
    found = [path for path in found if path.stem.lower() != SPLIT_STEM]
    found.sort(key=lambda path: (_rank(path.stem.lower()), path.name))
    for path in found[:MOST_TABLES]:
        if (table := _readable(path, named)) is not None:
            yield table


def _rank(stem: str) -> int:
    return FIRST_NAMES.index(stem) if stem in FIRST_NAMES else len(FIRST_NAMES)


def _tables_of_parts(folder: Path, named: bool, path_column: str | None) -> Iterator[Table]:
    """``train/metadata.csv`` and its like, with the part in the names of the files and in the column ``split``."""
    for inner in entries(folder):
        part = SPLIT_NAMES.get(inner.name.casefold())
        if part is None or not inner.is_dir():
            continue
        for suffix in TABLE_SUFFIXES:
            table = _readable(inner / f"metadata{suffix}", named)
            column = path_column or next(iter(table.file_columns if table else []), None)
            if table is None or column not in table.columns:
                continue
            for row in table.rows:
                row |= {column: f"{inner.name}/{row[column]}", "split": part}
            yield Table(table.path, list(dict.fromkeys([*table.columns, "split"])), table.rows)


def _readable(path: Path, named: bool) -> Table | None:
    """The table, if it has a column of files and one of genres, or if the user ``named`` a column.

    Tables of decisions are left out: they correct another source of labels.
    """
    try:
        if not path.is_file() or path.stat().st_size > LARGEST_FOUND:
            return None
        table = read_rows(path)
    except (OSError, DatasetError):
        return None  # not everything that is called .csv is a table
    usable = named or (table.file_columns and table.label_columns)
    return table if usable and not {"previous", "who"} <= set(table.columns) else None
