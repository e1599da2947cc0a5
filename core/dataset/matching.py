"""Matching the rows of a table with files: by path, by the end of the path, or by a unique file name.

Imports no torch.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from core.audio.files.formats import AUDIO_SUFFIXES
from core.dataset.clip import Clip
from core.dataset.metadata import Table
from core.util.text import counted, printable

NUMBER = re.compile(r"(\d+)(?:\.0)?")
"""A number in a table, possibly converted to a float by a program."""
BARE_RANK = 1000
"""Rank of a row without a folder: any row with one is more exact."""
FOLDERS = 5
"""Components at the end of a path that are compared if the root is unknown."""
EXAMPLES = 3
"""Rows that a note lists."""
Row = dict[str, str]


@dataclass(frozen=True)
class RowCounts:
    """Counts of matched and unmatched rows and files, with the first examples of each."""

    table: str
    column: str
    """The column with the names of the files."""
    rows: int
    matched_files: int
    matched_by_name_only: int
    """Matched rows whose folder does not exist."""
    unmatched_rows: int
    ambiguous_rows: int
    duplicate_rows: int
    unmatched_files: int
    examples: dict[str, list[str]]
    """Names of files by the names of the counts above."""


@dataclass(frozen=True)
class Matching:
    """The row of each file, and rows that are not used.

    The lists hold the names of files from the rows. ``duplicates`` are further rows of a file; ``ambiguous`` rows match
    several files; ``competing`` rows have the file's name but all of them another folder. None of these is used.
    ``by_name`` rows are used although their folder does not exist.
    """

    table: Table
    files: Sequence[str]
    rows: list[Row]
    """The row of each file; empty for a file without one."""
    column: str = ""
    """The column that named the files."""
    unmatched: list[str] = field(default_factory=list)
    ambiguous: list[str] = field(default_factory=list)
    competing: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    by_name: list[str] = field(default_factory=list)
    rivals: list[tuple[int, Row]] = field(default_factory=list)
    """Other rows that match a file as exactly as the one that is used, with the file's index."""

    @property
    def row_notes(self) -> list[str]:
        """What a user should know about the rows, one sentence each; empty if every row matches one file."""
        name = printable(self.table.path.name)
        findings = (
            (self.unmatched, "match no clip", "matches no clip"),
            (self.ambiguous, "fit several clips and are not used", "fits several clips and is not used"),
            (self.competing, "share their name with other rows and are not used", ""),
            (self.duplicates, "describe a clip a second time", "describes a clip a second time"),
            (
                self.by_name,
                "name a folder that is not there and were matched by file name only",
                "names a folder that is not there and was matched by file name only",
            ),
        )
        notes = [
            f"{counted(len(refs), 'row')} of {name} {several if len(refs) > 1 else one}: {_examples(refs)}."
            for refs, several, one in findings
            if refs
        ]
        if self.table.doubled:
            notes.append(
                f"{name} has several columns called {', '.join(map(printable, self.table.doubled))}, which "
                "differ: the first of them counts."
            )
        return notes

    @property
    def notes(self) -> list[str]:
        """`row_notes`, and the number of files without a row."""
        if not (bare := sum(not row for row in self.rows)):
            return self.row_notes
        name = printable(self.table.path.name)
        return [*self.row_notes, f"{bare} of {counted(len(self.rows), 'clip')} have no row in {name}."]

    def counts(self) -> RowCounts:
        bare = [name for name, row in zip(self.files, self.rows, strict=True) if not row]
        lists = {
            "matched_by_name_only": self.by_name,
            "unmatched_rows": self.unmatched,
            "ambiguous_rows": self.ambiguous + self.competing,
            "duplicate_rows": self.duplicates,
            "unmatched_files": bare,
        }
        return RowCounts(
            table=printable(self.table.path),
            column=self.column,
            rows=len(self.table.rows),
            matched_files=len(self.files) - len(bare),
            examples={name: list(dict.fromkeys(refs))[:EXAMPLES] for name, refs in lists.items()},
            **{name: len(refs) for name, refs in lists.items()},
        )


def match(table: Table, files: Sequence[str], column: str | None = None, *, also: Sequence[str] = ()) -> Matching:
    """Find the rows of ``files``, which are paths relative to the dataset's root such as ``blues/blues.00000.au``.

    The path in a row may be longer or shorter than the file's and may lack the suffix; separators, Unicode form,
    surrounding spaces and the case of the suffix are ignored. A bare name must be unique, or the row's genre must be
    the name of the file's folder; numbers may lack leading zeros. A row whose folder does not exist is matched by the
    end of its path only if that is unique among the files and among such rows. Of several rows for a file the most
    exact one is used.

    Args:
        column: the column that names the files; by default the first that matches any file.
        also: an alternative path for each file.

    Raises:
        DatasetError: the table has several different columns of that name.
    """
    index = _FileIndex(files, also)
    labels = table.label_columns
    column = column or next(
        (c for c in table.file_columns if any(index.find(row[c], ()).files for row in table.rows)),
        table.file_columns[0],
    )
    table.check_single(column)
    chosen: list[tuple[int, Row] | None] = [None] * len(files)
    weak: dict[int, list[tuple[int, Row]]] = defaultdict(list)
    matching = Matching(table, files, [], column)

    def take(file: int, rank: int, row: Row) -> None:
        known = chosen[file]
        if known is not None:
            matching.duplicates.append(printable(row[column]))
            if rank == known[0]:
                matching.rivals.append((file, row))
        if known is None or rank < known[0]:
            chosen[file] = rank, row

    for row in table.rows:
        found = index.find(row[column], [row[label] for label in labels])
        if len(found.files) != 1:
            (matching.ambiguous if found.files else matching.unmatched).append(printable(row[column]))
            continue
        [file] = found.files
        if found.is_weak:
            weak[file].append((found.rank, row))
        else:
            take(file, found.rank, row)
    for file, rows in weak.items():
        references = [printable(row[column]) for _, row in rows]
        if chosen[file] is not None:
            matching.unmatched.extend(references)  # another row matches the file, so these are about other files
        elif len({tuple(_components(row[column])) for _, row in rows}) > 1:
            matching.competing.extend(references)
        else:
            matching.by_name.append(references[0])
            for rank, row in rows:
                take(file, rank, row)
    matching.rows.extend(row[1] if row else {} for row in chosen)
    return matching


def match_clips(table: Table, clips: Sequence[Clip]) -> Matching:
    """As `match`, for clips whose root is unknown: by genre and file name, and by the last folders of the path."""
    names = [f"{clip.genre}/{printable(clip.path.name)}" for clip in clips]
    return match(table, names, also=["/".join(map(printable, clip.path.parts[-FOLDERS:])) for clip in clips])


class _Found(NamedTuple):
    files: set[int]
    """Indices of the files: one, none, or several if it is ambiguous."""
    rank: int = 0
    """Exactness of the match; 0 is best."""
    is_weak: bool = False
    """Whether the row's folders differ from the file's."""


class _FileIndex:
    """Files by every suffix of their path, from the whole path to the bare name, in several spellings."""

    def __init__(self, *names: Iterable[str]) -> None:
        self._files: dict[tuple[str, ...], set[int]] = defaultdict(set)
        self._folders: set[str] = set()
        self._whole: dict[tuple[str, ...], set[int]] = defaultdict(set)
        """Files by their complete path."""
        for which, files in enumerate(names):
            for number, file in enumerate(files):
                *folders, name = _components(file)
                self._folders.update(folders)
                if which == 0 and folders:
                    for key in _keys(folders, name):
                        self._whole[key].add(number)
                for start in range(len(folders) + 1):
                    for key in _keys(folders[start:], name):
                        self._files[key].add(number)

    def find(self, reference: str, labels: Iterable[str]) -> _Found:
        """The files that match a reference."""
        parts = _components(reference)
        if not parts:
            return _Found(set())
        *folders, name = parts
        if not folders:
            return self._find_bare(name, labels)
        rank = 0
        for start in range(len(parts)):
            fitting: set[int] = set()
            for key in _keys(folders[start:], name):
                rank += 1
                fitting |= self._files.get(key, set())
                # One of the two paths has to end with the other; a bare file name does not count.
                if whole := (self._files if start == 0 else self._whole).get(key):
                    return _Found(whole, rank)
            if fitting and folders[start - 1] in self._folders:
                return _Found(set())  # the folder exists, but the file does not
            if fitting:
                return _Found(fitting, BARE_RANK + rank, is_weak=True)
        return _Found(set())

    def _find_bare(self, name: str, labels: Iterable[str]) -> _Found:
        """The files with a bare name; the row's genre may be the folder."""
        for rank, key in enumerate(_keys([], name), start=BARE_RANK):
            files = self._files.get(key, set())
            if len(files) > 1:
                in_label = [self._files.get((*_components(label), *key), set()) for label in labels]
                files = next((some for some in in_label if len(some) == 1), files)
            if files:
                return _Found(files, rank)
        return _Found(set())


def _components(path: str) -> list[str]:
    """The components of a path, in NFC and stripped, without ``.`` and empty ones."""
    normal = unicodedata.normalize("NFC", path).replace("\\", "/")
    return [part for part in map(str.strip, normal.split("/")) if part not in ("", ".")]


def _keys(folders: Sequence[str], name: str) -> Iterator[tuple[str, ...]]:
    """Keys of a file: its name with and without suffix, without the leading zeros of a number, and in lower case. The
    last two are marked as such."""
    stem, dot, suffix = name.rpartition(".")
    is_audio = bool(stem) and f".{suffix.lower()}" in AUDIO_SUFFIXES
    bare = stem.strip() if is_audio else name
    if is_audio:
        yield (*folders, f"{bare}{dot}{suffix.lower()}")
    yield (*folders, bare)
    if number := NUMBER.fullmatch(bare):
        yield (*folders, f"\0{number[1].lstrip('0')}")
    yield (*(folder.casefold() for folder in folders), f"\1{bare.casefold()}")


def _examples(references: Sequence[str]) -> str:
    most = [text or "(empty)" for text, _ in Counter(references).most_common(EXAMPLES)]
    return ", ".join(most) + (", ..." if len(set(references)) > EXAMPLES else "")
