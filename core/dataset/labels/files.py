"""The audio files below a folder, and the same with what a label source says of each."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from core.audio.files.formats import is_audio
from core.dataset.clip import Excluded
from core.dataset.labels.tree import GenreTree
from core.dataset.matching import RowCounts
from core.util.archive.path import Entry, archive_faults, list_folder
from core.util.files import DEEPEST
from core.util.text import printable

SPLIT_NAMES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("valid", "validation", "val", "dev", "development"), "valid"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}
"""What folders and columns call the parts of a split."""
TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")


@dataclass(frozen=True)
class LabelledFile:
    """An audio file, its genres in the order of the source (none if it names none), and what else the source says."""

    path: Path
    name: str
    """The path below the root, for people."""
    genres: list[str]
    columns: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Labels:
    """What a label source says about the files below ``root``."""

    root: Path
    files: list[LabelledFile]
    description: str
    """``tracks.csv, column genre_top``"""
    kind: str
    """The resolved `LabelSettings.source`."""
    label_column: str | None = None
    path_column: str | None = None
    excluded: list[Excluded] = field(default_factory=list)
    """Files and folders without a label, each with the reason."""
    notes: list[str] = field(default_factory=list)
    tree: GenreTree | None = None
    total: int = 0
    """Audio files that were looked at."""
    own_split: bool = False
    """Whether the column ``split`` is the collection's own division."""
    matching: RowCounts | None = None
    """Of the rows of a table; None where there is no table."""

    def with_own_split(self) -> "Labels":
        """The same, the column ``split`` being the collection's own division."""
        return replace(self, own_split=True)

    @property
    def has_split(self) -> bool:
        """Whether the source brings a split of three parts, in the column ``split``."""
        return {file.columns.get("split") for file in self.files} >= {"train", "valid", "test"}


def entries(folder: Path) -> list[Path]:
    """What a folder holds, sorted; nothing if it cannot be listed."""
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


class AudioFile(NamedTuple):
    """A file with an audio suffix; ``name`` is its path below the root, for people."""

    path: Path
    name: str


_Listing = tuple[list[AudioFile], list[Excluded]]
_listings: ContextVar[dict[tuple[Path, bool], _Listing] | None] = ContextVar("listings", default=None)


@contextmanager
def listing_once() -> Iterator[None]:
    """Within it a folder is searched once, however often it is asked for."""
    token = _listings.set({})
    try:
        yield
    finally:
        _listings.reset(token)


def find_audio(root: Path, excluded: list[Excluded], *, deep: bool = True) -> list[AudioFile]:
    """Audio files below ``root`` in the order of their paths; hidden files and folders are passed over.

    What cannot be listed, folders that bear an audio file's name, and links back to a folder that is being searched
    are added to ``excluded``. With ``deep`` False folders two levels down are excluded, too.

    Raises:
        OSError: ``root`` itself cannot be listed.
    """
    known = _listings.get()
    if known is None or (root, deep) not in known:
        found: _Listing = ([], [])
        _search(root, "", (), found[1], found[0], deep)
        if known is not None:
            known[root, deep] = found
    else:
        found = known[root, deep]
    excluded += found[1]
    return found[0]


def _search(
    folder: Path,
    inside: str,
    above: tuple[tuple[int, int], ...],
    excluded: list[Excluded],
    files: list[AudioFile],
    deep: bool,
) -> None:
    """Args:
    inside: the names of the files in ``folder`` begin with this.
    above: device and inode of the folders above ``folder``.
    """
    status = folder.stat()
    above = (*above, (status.st_dev, status.st_ino))
    excluded += [Excluded(printable(name), reason) for name, reason in archive_faults(folder)]
    for entry in list_folder(folder):
        if entry.name.startswith((".", "__")):
            continue
        path = folder / entry.name
        name = f"{inside}{printable(entry.name)}"
        if not _is_folder(entry):
            if is_audio(entry.name):
                files.append(AudioFile(path, name))
            continue
        before, audio = len(excluded), len(files)
        if inside and not deep:
            if not is_audio(entry.name):
                excluded.append(Excluded(name, "is a folder; clips lie directly in the folder of their genre"))
                continue
        else:
            try:
                status = path.stat()
                if (status.st_dev, status.st_ino) in above:
                    excluded.append(Excluded(name, "is a link to a folder above it"))
                    continue
                if len(above) > DEEPEST:
                    excluded.append(Excluded(name, f"is more than {DEEPEST} folders deep"))
                    continue
                _search(path, f"{name}/", above, excluded, files, deep)
            except OSError as error:
                excluded.append(Excluded(name, f"cannot be listed ({(error.strerror or '').lower()})"))
                continue
        if len(files) == audio and len(excluded) == before and is_audio(entry.name):
            excluded.append(Excluded(name, "is a folder, not an audio file"))


def _is_folder(entry: os.DirEntry[str] | Entry) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
