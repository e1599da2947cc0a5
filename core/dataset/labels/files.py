"""Finding the audio files below a folder, and their labels from a source."""

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
from core.util.archive.path import archive_faults, is_folder, list_folder
from core.util.errors import reason
from core.util.files import DEEPEST
from core.util.text import printable

SPLIT_NAMES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("valid", "validation", "val", "dev", "development"), "valid"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}
"""Names of folders and columns for the parts of a split."""
TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")


@dataclass(frozen=True)
class LabelledFile:
    """An audio file, its genres in the order of the source, and other columns of the source."""

    path: Path
    name: str
    """The path below the root, as printable text."""
    genres: list[str]
    columns: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Labels:
    """The labels of the files below ``root`` from one source."""

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
    """Number of all audio files."""
    own_split: bool = False
    """Whether the column ``split`` holds the collection's own split."""
    matching: RowCounts | None = None
    """Counts of a table's rows; None if there is no table."""

    def with_own_split(self) -> "Labels":
        """The same labels, marked as having the collection's own split."""
        return replace(self, own_split=True)

    @property
    def has_split(self) -> bool:
        """Whether the source defines a split of three parts in the column ``split``."""
        return {file.columns.get("split") for file in self.files} >= {"train", "valid", "test"}


def entries(folder: Path) -> list[Path]:
    """The entries of a folder, sorted; empty if it cannot be listed."""
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


class AudioFile(NamedTuple):
    """A file with an audio suffix; ``name`` is its path below the root as printable text."""

    path: Path
    name: str


_Listing = tuple[list[AudioFile], list[Excluded]]
_listings: ContextVar[dict[tuple[Path, bool], _Listing] | None] = ContextVar("listings", default=None)


@contextmanager
def listing_once() -> Iterator[None]:
    """Cache the results of `find_audio` inside this context."""
    token = _listings.set({})
    try:
        yield
    finally:
        _listings.reset(token)


def find_audio(root: Path, excluded: list[Excluded], *, deep: bool = True) -> list[AudioFile]:
    """Audio files below ``root`` in the order of their paths; hidden files and folders are skipped.

    Folders that cannot be listed or are named like audio files, and links to a parent folder, are added to
    ``excluded``, and so are folders two levels down if ``deep`` is False.

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
    inside: prefix of the names of files in ``folder``.
    above: device and inode of each parent folder.
    """
    status = folder.stat()
    above = (*above, (status.st_dev, status.st_ino))
    excluded += [Excluded(printable(name), reason) for name, reason in archive_faults(folder)]
    for entry in list_folder(folder):
        if entry.name.startswith((".", "__")):
            continue
        path = folder / entry.name
        name = f"{inside}{printable(entry.name)}"
        if not is_folder(entry):
            if is_audio(entry.name):
                files.append(AudioFile(path, name))
            continue
        before, audio = len(excluded), len(files)
        if inside and not deep:
            if not is_audio(entry.name):
                excluded.append(Excluded(name, "is a folder; clips must be directly in the folder of their genre"))
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
                excluded.append(Excluded(name, f"cannot be listed ({reason(error).lower()})"))
                continue
        if len(files) == audio and len(excluded) == before and is_audio(entry.name):
            excluded.append(Excluded(name, "is a folder, not an audio file"))
