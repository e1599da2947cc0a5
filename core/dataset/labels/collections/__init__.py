"""Public collections as they are distributed; their tables are in `tables`."""

from pathlib import Path

from core.dataset.labels.collections.collection import Collection, GenreFolders
from core.dataset.labels.collections.tables import Fma, Ismir04, Jamendo, MillionSong

GTZAN = GenreFolders(
    "GTZAN",
    {"blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock"},
    fewest=10,
    labels="GTZAN, a folder per genre",
)
"""``genres/<genre>/<genre>.00000.au``, and the layout on Kaggle, ``Data/genres_original/<genre>/*.wav``.

On Kaggle, jazz.00054.wav is damaged, and the CSV files beside the audio hold features, not labels. Lists such as
``train_filtered.txt`` (the fault-filtered split) become the column ``split``.
"""
BALLROOM = GenreFolders(
    "Ballroom",
    {"ChaChaCha", "Jive", "Quickstep", "Rumba", "Samba", "Tango", "VienneseWaltz", "Waltz"},
    fewest=6,
    labels="Ballroom, a folder per dance",
)
"""``BallroomData/<dance>/*.wav`` with the list ``allBallroomFiles``."""

TABLES: tuple[Collection, ...] = (Fma(), Jamendo(), Ismir04(), MillionSong())
"""Collections whose labels are in a file."""
LAYOUTS: tuple[Collection, ...] = (GTZAN, BALLROOM)
"""Collections whose folders are their labels."""
COLLECTIONS = (*TABLES, *LAYOUTS)


def of_folder(folder: Path) -> Collection | None:
    """The collection that a folder holds, detected by its layout."""
    return next((one for one in COLLECTIONS if one.find(folder) is not None), None)


def of_layout(folder: Path) -> Collection | None:
    """The collection with a folder per genre that ``folder`` holds."""
    return next((one for one in LAYOUTS if one.find(folder) is not None), None)


def of_file(path: Path) -> Collection | None:
    """The collection that a label file belongs to."""
    return next((one for one in TABLES if path.is_file() and one.is_labels(path)), None)


def table_in(folder: Path) -> tuple[Collection, Path] | None:
    """The collection and its label file in or beside a folder."""
    return next(((one, path) for one in TABLES if (path := one.find(folder)) is not None), None)
