"""The interface of public collections."""

from abc import ABC, abstractmethod
from pathlib import Path

from core.dataset.clip import DatasetError
from core.dataset.labels.files import Labels, entries
from core.dataset.labels.folders import folder_labels, genre_root
from core.dataset.settings import LabelSettings
from core.util.archive.path import as_path, folder_above

HEAD = 4096
"""Bytes of a file from which it is recognised."""


class Collection(ABC):
    name: str

    @abstractmethod
    def find(self, folder: Path) -> Path | None:
        """The collection's label file or folder of genres, in or beside ``folder``; None if there is none."""

    def is_labels(self, path: Path) -> bool:
        """Whether ``path`` is the collection's label file."""
        return False

    @abstractmethod
    def labels(self, folder: Path, path: Path | None, settings: LabelSettings) -> Labels:
        """The labels of the audio below ``folder``, from the label file ``path`` or the one that `find` returns.

        Raises:
            DatasetError: the label file is damaged or names no file in the folder.
        """

    def required(self, folder: Path, path: Path | None) -> Path:
        """``path``, or else the label file that `find` returns."""
        found = path or self.find(folder)
        if found is None:
            raise DatasetError(f"{folder} does not hold the labels of {self.name}: name the file with --labels.")
        return found


class GenreFolders(Collection):
    """A collection with one folder per genre, known by the folders' names; what follows a hyphen is a variant."""

    def __init__(self, name: str, genres: set[str], *, fewest: int, labels: str) -> None:
        """Args:
        fewest: genres that must be there.
        labels: what the labels are called.
        """
        self.name, self._genres, self._fewest, self._labels = name, genres, fewest, labels

    def find(self, folder: Path) -> Path | None:
        root = genre_root(folder)
        there = self._genres & {path.name.partition("-")[0] for path in entries(root)}
        return root if len(there) >= self._fewest else None

    def labels(self, folder: Path, path: Path | None, settings: LabelSettings) -> Labels:
        return folder_labels(folder, name=self._labels)


def head(path: Path) -> str:
    """The beginning of a text file; empty if it cannot be read."""
    try:
        if not path.is_file():  # reading a FIFO would wait for its other end
            return ""
        with path.open("rb") as file:
            return file.read(HEAD).decode("utf-8-sig", "replace")
    except OSError:
        return ""


def beside(folder: Path, *names: str) -> Path | None:
    """The first of ``names`` that exists in the folder or the one above it; names may lead into archives."""
    places = (folder, folder_above(folder))
    paths = (as_path(place / name) for place in places for name in names)
    return next((path for path in paths if path.exists()), None)
