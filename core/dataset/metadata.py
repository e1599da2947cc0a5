"""Metadata tables: one row per clip, in CSV, TSV, JSON Lines or a JSON array, matched to the files that they describe.

`read_table` detects the encoding (UTF-8, UTF-16, Windows-1252 or Latin-1, with or without a byte order mark) and the
delimiter (comma, semicolon, tab). `match` finds each row's file by relative path, then by a name that only one file
has, and counts what it could not assign. Imports no torch.
"""

import csv
import io
import re
import stat
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from core.audio.files.formats import AUDIO_SUFFIXES
from core.dataset.clip import Clip, DatasetError
from core.util.text import printable

INDEX_NAME = "index.csv"
FILE_COLUMNS = ("path", "file", "file_name", "filename", "audio", "name", "track", "track_id", "id")
"""Columns that may say which clip a row describes, in order of preference; case does not matter."""
LABEL_COLUMNS = ("genre", "genre_top", "label", "class", "tag", "tags", "style")
"""Columns that may hold a clip's genre, in order of preference."""
LARGEST_TABLE = 1 << 30
NUMBER = re.compile(r"(\d+)(?:\.0)?")
"""A number as a table has it, also after a program took it for a fraction."""
DELIMITERS = ",;\t"
BARE_RANK = 1000
"""Rank of a row that gives no folder: any that does is more exact."""
FOLDERS = 5
"""Components of a path by which a clip is found whose root is not known."""
EXAMPLES = 3
"""Rows that a note names."""


@dataclass(frozen=True)
class Table:
    """Every row has all of ``columns``; a field that is missing is empty."""

    path: Path
    columns: list[str]
    rows: list[dict[str, str]]

    @property
    def file_columns(self) -> list[str]:
        """Its columns that may name a file, the most telling first."""
        return _known(self.columns, FILE_COLUMNS)

    @property
    def label_columns(self) -> list[str]:
        """Its columns that may hold a genre, the most telling first."""
        return _known(self.columns, LABEL_COLUMNS)


@dataclass(frozen=True)
class Matching:
    """What a table says about each of some files, and the rows that belong to none.

    The lists hold the rows' own names of their files. ``duplicates`` repeat a file that an earlier or better row
    describes already; ``ambiguous`` rows fit several files and are not used.
    """

    table: Path
    rows: list[dict[str, str]]
    """A row for each file, in the order of the files; empty for a file without one."""
    column: str = ""
    """The column that named the files."""
    unmatched: list[str] = field(default_factory=list)
    ambiguous: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    rivals: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    """Other rows that name a file just as exactly as the one that counts, with the file's place."""

    @property
    def notes(self) -> list[str]:
        """What a user should know, in one sentence each; none when every row and file found its partner."""
        name = printable(self.table.name)
        bare = sum(not row for row in self.rows)
        counted = (
            (self.unmatched, "match no clip", "matches no clip"),
            (self.ambiguous, "fit several clips and are not used", "fits several clips and is not used"),
            (self.duplicates, "describe a clip a second time", "describes a clip a second time"),
        )
        notes = [
            f"{_count(len(refs), 'row')} of {name} {several if len(refs) > 1 else one}: {_examples(refs)}."
            for refs, several, one in counted
            if refs
        ]
        if bare:
            notes.append(f"{bare} of {_count(len(self.rows), 'clip')} have no row in {name}.")
        return notes


def read_table(path: Path, path_column: str | None = None) -> Table:
    """
    Args:
        path_column: the column that names the files; by default those called like one of `FILE_COLUMNS`.

    Raises:
        DatasetError: the file cannot be read, is not a table, or has no column that names files.
    """
    table = Table(path, *read_rows(path))
    if path_column is not None and path_column not in table.columns:
        raise no_column(table, path_column, "--path-column")
    if path_column is None and not table.file_columns:
        first = f"its first line has {', '.join(map(printable, table.columns))}: name one of these with --path-column, "
        first = f"{first}or add a line of names" if table.columns else "it is empty"
        raise DatasetError(
            f"{printable(path)} needs a column that says which clip each row describes, called "
            f"{', '.join(FILE_COLUMNS[:-1])} or {FILE_COLUMNS[-1]}; {first}."
        )
    return table


def no_column(table: Table, column: str, option: str) -> DatasetError:
    """The error for a column that a table does not have."""
    return DatasetError(
        f"{printable(table.path)} has no column {column!r}: name one of {', '.join(map(printable, table.columns))} "
        f"with {option}."
    )


def read_rows(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """The columns and rows of a table, whatever its columns are called.

    Raises:
        DatasetError: the file cannot be read or is not a table.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST_TABLE:
            raise ValueError(f"it is not a file of at most {LARGEST_TABLE >> 30} GB")
        if path.suffix.lower() == ".parquet":
            return _parquet(path)
        text = decoded(path.read_bytes())
        is_json = path.suffix.lower() in (".jsonl", ".ndjson") or text.lstrip()[:1] in ("{", "[")
        return _json_lines(text) if is_json else _delimited(text)
    except (OSError, ValueError, csv.Error) as error:
        raise DatasetError(f"The table {printable(path)} cannot be read: {error}.") from error


def read_table_of_two(path: Path) -> list[tuple[str, str]]:
    """The rows of a table with two columns, its header among them: a name, and what it stands for.

    Raises:
        DatasetError: the file cannot be read, or a row does not have two fields.
    """
    try:
        text = decoded(path.read_bytes())
        delimiter = max(DELIMITERS, key=lambda mark: len(_header(text, mark)))
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True))
    except (OSError, ValueError, csv.Error) as error:
        raise DatasetError(f"{printable(path)} cannot be read: {error}.") from error
    for number, row in enumerate(rows, start=1):
        if len(row) not in (0, 2):
            raise DatasetError(
                f"Line {number} of {printable(path)} should hold two names, such as Hip Hop{delimiter}hiphop; it has "
                f"{_count(len(row), 'field')}."
            )
    return [(row[0].strip(), row[1].strip()) for row in rows if row]


def _parquet(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """
    Raises:
        ValueError: the file is damaged, or pyarrow is not installed.
    """
    try:
        from pyarrow import ArrowException, parquet, types
    except ImportError:
        raise ValueError("Parquet needs pyarrow: pip install pyarrow, or save the table as CSV") from None
    try:
        with path.open("rb") as opened, parquet.ParquetFile(opened) as file:
            schema = file.schema_arrow
            # Audio inside the table itself is not a label.
            texts = [c.name for c in schema if not (types.is_struct(c.type) or types.is_binary(c.type))]
            rows = file.read(texts).to_pylist()
    except ArrowException as error:
        raise ValueError((str(error).splitlines() or [type(error).__name__])[0]) from error
    return texts, [{column: _text(row[column]) for column in texts} for row in rows]


def decoded(data: bytes) -> str:
    """
    Raises:
        ValueError: it is not text.
    """
    if data.startswith(b"PK\3\4"):
        raise ValueError("it is a spreadsheet or an archive, not text: save it as CSV")
    try:
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            text = data.decode("utf-16")
        elif b"\0" in data[:4096]:  # UTF-16 without a mark: in Latin scripts every other byte is zero
            text = data.decode("utf-16-le" if data[1:4096:2].count(0) > data[:4096:2].count(0) else "utf-16-be")
        else:
            text = _first_that_decodes(data, ("utf-8-sig", "cp1252", "latin-1"))
    except UnicodeDecodeError:
        raise ValueError("it is not text") from None
    if "\0" in text:
        raise ValueError("it is not text")
    return text


def _first_that_decodes(data: bytes, encodings: Sequence[str]) -> str:
    for encoding in encodings[:-1]:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode(encodings[-1])


def _delimited(text: str) -> tuple[list[str], list[dict[str, str]]]:
    announced = re.match(r"sep=(.)\r?\n", text)  # as spreadsheets write it
    text = text[announced.end() :] if announced else text
    delimiter = announced[1] if announced else max(DELIMITERS, key=lambda mark: len(_header(text, mark)))
    # Fields may be as long as the file: a limit of the csv module would make the message about itself.
    csv.field_size_limit(LARGEST_TABLE)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    columns = [column.strip() for column in next(lines, [])]
    rows = []
    for fields in lines:
        if not any(fields):
            continue
        if any(fields[len(columns) :]):
            raise ValueError(f"line {lines.line_num} has {len(fields)} fields, and the header has {len(columns)}")
        padded = [text.strip() for text in fields] + [""] * (len(columns) - len(fields))
        # Of two columns of one name the first counts.
        rows.append(dict(zip(reversed(columns), reversed(padded[: len(columns)]), strict=True)))
    return list(dict.fromkeys(columns)), rows


def _header(text: str, delimiter: str) -> list[str]:
    return next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])


def _json_lines(text: str) -> tuple[list[str], list[dict[str, str]]]:
    decoder = msgspec.json.Decoder(dict[str, Any])
    found: list[dict[str, Any]] = []
    if text.lstrip().startswith("["):
        found, text = msgspec.json.decode(text, type=list[dict[str, Any]]), ""
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            if line.strip():
                found.append(decoder.decode(line))
        except msgspec.DecodeError as error:
            raise ValueError(f"line {number} is not a JSON object ({error})") from error
    columns = list(dict.fromkeys(column for row in found for column in row))
    return columns, [{column: _text(row.get(column)) for column in columns} for row in found]


def _text(value: object) -> str:
    if value is None:
        return ""
    return value.strip() if isinstance(value, str) else msgspec.json.encode(value).decode()


def match(table: Table, files: Sequence[str], column: str | None = None, *, also: Sequence[str] = ()) -> Matching:
    """Finds the rows of ``files``, paths relative to the dataset's root such as ``blues/blues.00000.au``.

    A row's path may be longer or shorter than the file's and may lack the suffix; its separators, Unicode form, spaces
    around it and the case of its suffix do not matter. A bare name needs to be unique, or the row's genre has to name
    the file's folder; a number may have lost its leading zeros. Of several rows for a file the most exact one counts.

    Args:
        column: the column that names the files; by default the first of the table's that names one.
        also: another path for each file.
    """
    index = _FileIndex(files, also)
    labels = table.label_columns
    chosen: list[tuple[int, dict[str, str]] | None] = [None] * len(files)
    column = column or next(
        (c for c in table.file_columns if any(index.find(row[c], ()) for row in table.rows)), table.file_columns[0]
    )
    matching = Matching(table.path, [], column)
    for row in table.rows:
        found = index.find(row[column], [row[label] for label in labels])
        if len(found) != 1:
            (matching.ambiguous if found else matching.unmatched).append(printable(row[column]))
            continue
        [(place, rank)] = found
        known = chosen[place]
        if known is not None:
            matching.duplicates.append(printable(row[column]))
            if rank == known[0]:
                matching.rivals.append((place, row))
        if known is None or rank < known[0]:
            chosen[place] = rank, row
    matching.rows.extend(row[1] if row else {} for row in chosen)
    return matching


def match_clips(table: Table, clips: Sequence[Clip]) -> Matching:
    """`match` for clips whose root is not known: by genre and file name, and by the last folders of their path."""
    names = [f"{clip.genre}/{printable(clip.path.name)}" for clip in clips]
    return match(table, names, also=["/".join(map(printable, clip.path.parts[-FOLDERS:])) for clip in clips])


class _FileIndex:
    """Files by every tail of their path, from the whole path to the bare name, in three spellings."""

    def __init__(self, *names: Iterable[str]) -> None:
        self._places: dict[tuple[str, ...], set[int]] = defaultdict(set)
        self._folders: set[str] = set()
        for place, file in (pair for files in names for pair in enumerate(files)):
            *folders, name = _components(file)
            self._folders.update(folders[-1:])
            for spelling in _spellings(name):
                for start in range(len(folders) + 1):
                    self._places[*folders[start:], spelling].add(place)

    def find(self, reference: str, labels: Iterable[str]) -> list[tuple[int, int]]:
        """The files that a reference means, and how exactly (0 is best): one, none, or several when it is ambiguous."""
        parts = _components(reference)
        if not parts:
            return []
        *folders, name = parts
        rank = 0
        for start in range(len(folders)):
            for spelling in _spellings(name):
                if places := self._places.get((*folders[start:], spelling)):
                    return [(place, rank) for place in places]
                rank += 1
        if folders and folders[-1] in self._folders:
            return []  # the folder is there, and the file is not: one of the same name elsewhere is another
        rank = BARE_RANK
        for spelling in _spellings(name):
            places = self._places.get((spelling,), set())
            if len(places) > 1:
                in_label = [self._places.get((*_components(label), spelling), set()) for label in labels]
                places = next((some for some in in_label if len(some) == 1), places)
            if places:
                return [(place, rank) for place in places]
            rank += 1
        return []


def _components(path: str) -> list[str]:
    """A path's folders and name in one form: NFC, without spaces around them, ``.`` and empty components."""
    normal = unicodedata.normalize("NFC", path).replace("\\", "/")
    return [part for part in map(str.strip, normal.split("/")) if part not in ("", ".")]


def _spellings(name: str) -> Iterator[str]:
    """A file name with its suffix, without it, without the leading zeros of a number, and in lower case; the last two
    are marked as such."""
    stem, dot, suffix = name.rpartition(".")
    is_audio = bool(stem) and f".{suffix.lower()}" in AUDIO_SUFFIXES
    bare = stem.strip() if is_audio else name
    if is_audio:
        yield f"{bare}{dot}{suffix.lower()}"
    yield bare
    if number := NUMBER.fullmatch(bare):
        yield f"\0{number[1].lstrip('0')}"
    yield f"\1{bare.casefold()}"


def column_of(path_and_column: str) -> tuple[Path | None, str]:
    """``INDEX.csv:artist`` → the index and the column; ``artist`` → no index and the column."""
    index, separator, column = path_and_column.rpartition(":")
    return (Path(index) if separator else None), column


def _known(columns: Sequence[str], names: Sequence[str]) -> list[str]:
    by_name = {column.casefold(): column for column in reversed(columns)}
    return [by_name[name] for name in names if name in by_name]


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _examples(references: Sequence[str]) -> str:
    most = [text or "(empty)" for text, _ in Counter(references).most_common(EXAMPLES)]
    return ", ".join(most) + (", ..." if len(set(references)) > EXAMPLES else "")
