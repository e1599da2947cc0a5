"""Public collections as they are distributed; one module per collection."""

from pathlib import Path

from core.dataset.labels.collections import ballroom, fma, gtzan, ismir04, jamendo, million_song
from core.dataset.labels.collections.collection import Collection

TABLES: tuple[Collection, ...] = (fma.FMA, jamendo.JAMENDO, ismir04.ISMIR04, million_song.MILLION_SONG)
"""Collections whose labels are in a file."""
LAYOUTS: tuple[Collection, ...] = (gtzan.GTZAN, ballroom.BALLROOM)
"""Collections whose folders are their labels."""
COLLECTIONS = (*TABLES, *LAYOUTS)


def of_folder(folder: Path) -> Collection | None:
    """The collection that a folder holds, by its layout."""
    return next((one for one in COLLECTIONS if one.find(folder) is not None), None)


def of_layout(folder: Path) -> Collection | None:
    """The collection that a folder of genre folders is."""
    return next((one for one in LAYOUTS if one.find(folder) is not None), None)


def of_file(path: Path) -> Collection | None:
    """The collection that a label file belongs to."""
    return next((one for one in TABLES if path.is_file() and one.is_labels(path)), None)


def table_in(folder: Path) -> tuple[Collection, Path] | None:
    """The collection and its label file in or beside a folder."""
    return next(((one, path) for one in TABLES if (path := one.find(folder)) is not None), None)
