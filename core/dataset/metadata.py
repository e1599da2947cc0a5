"""Metadata tables: one row per clip, in CSV, TSV, JSON Lines, a JSON array or Parquet.

`read_table` detects the encoding (UTF-8, UTF-16, Windows-1252 or Latin-1, with or without a byte order mark) and the
delimiter (comma, semicolon, tab). `core.dataset.matching` finds the files of its rows. Imports no torch.
"""

import csv
import io
import json
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from core.dataset.clip import DatasetError
from core.util.atomic import write_atomic
from core.util.errors import first_line, reason
from core.util.files import LARGE_FILE_BYTES, read_input
from core.util.text import counted, printable

INDEX_NAME = "index.csv"
FILE_COLUMNS = ("path", "file", "file_name", "filename", "audio", "name", "track", "track_id", "id")
"""Names of columns that may name the file, in order of preference; case is ignored."""
LABEL_COLUMNS = ("genre", "genre_top", "label", "class", "tag", "tags", "style")
"""Names of columns that may hold the genre, in order of preference."""
DELIMITERS = ",;\t"
MOST_LISTED = 20
"""Most columns that an error message lists."""


@dataclass(frozen=True)
class Table:
    """A table. Every row has all of ``columns``; missing fields are empty."""

    path: Path
    columns: list[str]
    rows: list[dict[str, str]]
    doubled: tuple[str, ...] = ()
    """Names shared by several columns with different contents; the rows hold the first of them."""

    def check_single(self, column: str) -> None:
        """Check that ``column`` does not stand for several columns with different contents.

        Raises:
            DatasetError: several columns with that name differ.
        """
        if column in self.doubled:
            raise DatasetError(
                f"{printable(self.path)} has several columns called {printable(column)!r}, which differ: rename or "
                "remove all but one."
            )

    @property
    def file_columns(self) -> list[str]:
        """Columns that may name the file, the preferred one first."""
        return _known(self.columns, FILE_COLUMNS)

    @property
    def label_columns(self) -> list[str]:
        """Columns that may hold the genre, the preferred one first."""
        return _known(self.columns, LABEL_COLUMNS)


def read_table(path: Path, path_column: str | None = None) -> Table:
    """Read a table whose rows describe files.

    Args:
        path_column: the column that names the files; by default one of `FILE_COLUMNS`.

    Raises:
        DatasetError: the file cannot be read, is not a table, or has no column that names files.
    """
    table = read_rows(path)
    if path_column is not None and path_column not in table.columns:
        raise no_column(table, path_column, "--path-column")
    if path_column is None:
        check_file_columns(table)
    return table


def check_file_columns(table: Table) -> None:
    """Check that the table has a column that may name files.

    Raises:
        DatasetError: the table has none of `FILE_COLUMNS`.
    """
    if not table.file_columns:
        first = f"its first line has {column_list(table.columns)}: name one of these with --path-column, "
        first = f"{first}or add a line of names" if table.columns else "it is empty"
        raise DatasetError(
            f"{printable(table.path)} needs a column with the names of the files, called "
            f"{', '.join(FILE_COLUMNS[:-1])} or {FILE_COLUMNS[-1]}; {first}."
        )


def no_column(table: Table, column: str, option: str = "") -> DatasetError:
    """The error for a column that a table does not have.

    Args:
        option: the option that names the column, such as ``--label-column``.
    """
    usage = f" with {option}" if option else ""
    return DatasetError(
        f"{printable(table.path)} has no column {printable(column)!r}: name one of {column_list(table.columns)}{usage}."
    )


def column_list(columns: Sequence[str]) -> str:
    """``file, genre, artist``; for many columns the first ones and the number of the rest."""
    shown = ", ".join(map(printable, columns[:MOST_LISTED]))
    return f"{shown} and {len(columns) - MOST_LISTED:,} more" if len(columns) > MOST_LISTED else shown


def read_rows(path: Path) -> Table:
    """Read a table with any columns.

    Raises:
        DatasetError: the file cannot be read or is not a table.
    """
    try:
        if path.suffix.lower() == ".parquet":
            _check_file(path)
            return _parquet(path)
        text = table_text(path)
        is_json = path.suffix.lower() in (".jsonl", ".ndjson") or text.lstrip()[:1] in ("{", "[")
        return _json_lines(path, text) if is_json else _delimited(path, text)
    except (OSError, ValueError, csv.Error, RecursionError) as error:
        raise DatasetError(f"The table {printable(path)} cannot be read: {reason(error)}.") from error


def table_text(path: Path) -> str:
    """The text of a table, whatever its encoding.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not a regular file, is too large, or is not text.
    """
    _check_file(path)
    return decoded(path.read_bytes())


def _check_file(path: Path) -> None:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode) or status.st_size > LARGE_FILE_BYTES:
        raise ValueError(f"it is not a file of at most {LARGE_FILE_BYTES >> 30} GB")


def read_table_of_two(path: Path) -> list[tuple[str, str]]:
    """Read the rows of a table with two columns and no header: a name, and what it is mapped to.

    Raises:
        DatasetError: the file cannot be read, or a row does not have two fields.
    """
    try:
        text = decoded(read_input(path))
        delimiter = max(DELIMITERS, key=lambda mark: len(_header(text, mark)))
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True))
    except (OSError, ValueError, csv.Error) as error:
        raise DatasetError(f"{printable(path)} cannot be read: {reason(error)}.") from error
    for number, row in enumerate(rows, start=1):
        if len(row) not in (0, 2):
            raise DatasetError(
                f"Line {number} of {printable(path)} should hold two names, such as Hip Hop{delimiter}hiphop; it has "
                f"{counted(len(row), 'field')}."
            )
    return [(row[0].strip(), row[1].strip()) for row in rows if row]


def _parquet(path: Path) -> Table:
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
            # Columns with embedded audio are skipped.
            texts = [c.name for c in schema if not (types.is_struct(c.type) or types.is_binary(c.type))]
            columns = list(dict.fromkeys(texts))
            doubled = tuple(name for name in columns if texts.count(name) > 1)
            rows = file.read(columns).to_pylist()
    except ArrowException as error:
        raise ValueError(first_line(error)) from error
    return Table(path, columns, [{column: _text(row[column]) for column in columns} for row in rows], doubled)


def decoded(data: bytes) -> str:
    """The text of a file in UTF-8, UTF-16, Windows-1252 or Latin-1.

    Raises:
        ValueError: it is not text.
    """
    if data.startswith(b"PK\3\4"):
        raise ValueError("it is a spreadsheet or an archive, not text: save it as CSV")
    try:
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            text = data.decode("utf-16")
        elif b"\0" in data[:4096]:  # UTF-16 without a byte order mark: in Latin scripts every other byte is zero
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


def _delimited(path: Path, text: str) -> Table:
    announced = re.match(r"sep=(.)\r?\n", text)  # written by spreadsheets
    text = text[announced.end() :] if announced else text
    delimiter = announced[1] if announced else max(DELIMITERS, key=lambda mark: len(_header(text, mark)))
    # Without this the error for a very long field would be about a limit of the csv module.
    csv.field_size_limit(LARGE_FILE_BYTES)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    columns = [column.strip() for column in next(lines, [])]
    again = {at: columns.index(name) for at, name in enumerate(columns) if name in columns[:at]}
    rows: list[dict[str, str]] = []
    doubled: dict[str, None] = {}
    for fields in lines:
        if not any(fields):
            continue
        if any(fields[len(columns) :]):
            raise ValueError(
                f"line {lines.line_num} has {counted(len(fields), 'field')}, and the header has {len(columns)}"
            )
        padded = [text.strip() for text in fields] + [""] * (len(columns) - len(fields))
        rows.append(dict(zip(reversed(columns), reversed(padded[: len(columns)]), strict=True)))
        doubled |= {columns[at]: None for at, first in again.items() if padded[at] != padded[first]}
    return Table(path, list(dict.fromkeys(columns)), rows, tuple(doubled))


def _header(text: str, delimiter: str) -> list[str]:
    return next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])


def _json_lines(path: Path, text: str) -> Table:
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
        if found and line.count('":') > len(found[-1]):
            json.loads(line, object_pairs_hook=partial(_check_unique, number))
    columns = list(dict.fromkeys(column for row in found for column in row))
    return Table(path, columns, [{column: _text(row.get(column)) for column in columns} for row in found])


def _check_unique(number: int, pairs: list[tuple[str, Any]]) -> None:
    """
    Raises:
        ValueError: a JSON object has duplicate keys.
    """
    names = [name for name, _ in pairs]
    if twice := next((name for at, name in enumerate(names) if name in names[:at]), None):
        raise ValueError(f"line {number} has the key {printable(twice)!r} twice")


def _text(value: object) -> str:
    if value is None:
        return ""
    return value.strip() if isinstance(value, str) else msgspec.json.encode(value).decode()


def column_of(path_and_column: str) -> tuple[Path | None, str]:
    """Split ``TABLE.csv:artist`` into path and column; the path of ``artist`` is None."""
    index, separator, column = path_and_column.rpartition(":")
    return (Path(index) if separator else None), column


def _known(columns: Sequence[str], names: Sequence[str]) -> list[str]:
    by_name = {column.casefold(): column for column in reversed(columns)}
    return [by_name[name] for name in names if name in by_name]


def write_with_name(table: Path, earlier: Path | None, name: str, counts_as: str) -> None:
    """Write a map of genre names in which ``name`` counts as ``counts_as``; "" leaves its files out.

    Args:
        table: the new file; its folder is created.
        earlier: an existing map whose rows are kept; those that map to ``name`` now map to ``counts_as``. It is not
            changed.

    Raises:
        DatasetError: ``earlier`` cannot be read.
        OSError: ``table`` cannot be written.
    """
    rows = dict(read_table_of_two(earlier)) if earlier is not None else {}
    rows = {source: counts_as if genre == name else genre for source, genre in rows.items()}
    rows[name] = counts_as
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows.items())
    table.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(table, text.getvalue().encode())
