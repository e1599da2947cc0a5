"""Public collections as they are distributed: where their labels are, and how they are recognised and read.

GTZAN and Ballroom have a folder per genre. The others have a table:

- FMA (Defferrard et al., 2017): ``fma_small/000/000002.mp3`` and ``fma_metadata/tracks.csv`` with genres.csv, or the
  same as zip archives. tracks.csv has three header rows: groups (track, album, artist, set), names, and the name of the
  index. Its ids have no leading zeros. Some MP3 files are shorter than 30 s or cannot be decoded; the scan reports the
  latter.
- MTG-Jamendo (Bogdanov et al., 2019): ``autotagging_genre.tsv`` and ``00/7400.mp3``, or ``00/7400.low.mp3``. A row ends
  with as many tags as the track has, each in a field of its own: ``genre---rock``, ``genre---pop``.
- ISMIR04 genre contest: ``audio/{training,development,evaluation}`` and ``metadata/<part>/tracklist.csv``. A tracklist
  has no header: class, artist, album, track, track number, path; the contest called its parts training, development
  (here validation) and evaluation (here test).
- Lists of Million Song ids and genres (tagtraum's, the MASD's and the Top-MAGD's): ``TRAAAAW128F429D538<tab>Rock``. A
  list has no header and may begin with comments; a second genre may follow. Audio is named by id, in any folders."""

import csv
import io
import re
from abc import ABC, abstractmethod
from pathlib import Path

from core.dataset.clip import DatasetError
from core.dataset.labels.files import SPLIT_NAMES, Labels, entries, find_audio
from core.dataset.labels.folders import folder_labels, genre_root
from core.dataset.labels.table import table_labels
from core.dataset.labels.tree import read_tree
from core.dataset.metadata import Table, table_text
from core.dataset.settings import LabelSettings
from core.util.archive.path import as_path, folder_above
from core.util.errors import reason
from core.util.text import printable

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


FMA_COLUMNS = {
    ("track", "genre_top"): "genre_top",
    ("track", "genres"): "genres",
    ("set", "split"): "split",
    ("set", "subset"): "subset",
    ("artist", "id"): "artist",
    ("artist", "name"): "artist_name",
    ("album", "id"): "album",
    ("track", "title"): "title",
}
"""The columns of tracks.csv that are kept. Artist and album are ids, because names are not unique."""


class Fma(Collection):
    name = "FMA"

    def find(self, folder: Path) -> Path | None:
        path = beside(folder, "fma_metadata/tracks.csv", "tracks.csv", "fma_metadata.zip/fma_metadata/tracks.csv")
        return path if path is not None and self.is_labels(path) else None

    def is_labels(self, path: Path) -> bool:
        lines = head(path).splitlines()
        return len(lines) >= 2 and "genre_top" in lines[1].split(",") and lines[0].startswith(",")

    def labels(self, folder: Path, path: Path | None, settings: LabelSettings) -> Labels:
        path = self.required(folder, path)
        tree = read_tree(path.with_name("genres.csv")) if path.with_name("genres.csv").is_file() else None
        column = settings.label_column or ("genres" if settings.level == "leaf" else "genre_top")
        labels = table_labels(folder, _read_fma(path), label_column=column, tree=tree)
        return labels.with_own_split()


def _read_fma(path: Path) -> Table:
    """
    Raises:
        DatasetError: the file is damaged.
    """
    rows: list[dict[str, str]] = []
    try:
        lines = csv.reader(io.StringIO(table_text(path), newline=""))
        groups, names, _ = next(lines), next(lines), next(lines)
        places = {FMA_COLUMNS[key]: at for at, key in enumerate(zip(groups, names, strict=True)) if key in FMA_COLUMNS}
        for fields in lines:
            if len(fields) != len(names):
                raise ValueError(f"line {lines.line_num} has {len(fields)} fields, and the header has {len(names)}")
            rows.append({"track_id": fields[0]} | {name: fields[at] for name, at in places.items()})
    except (OSError, ValueError, csv.Error) as error:
        raise DatasetError(f"{printable(path)} cannot be read as FMA's tracks: {reason(error)}.") from error
    except StopIteration:
        raise DatasetError(f"{printable(path)} cannot be read as FMA's tracks: it has no header of 3 lines.") from None
    return Table(path, ["track_id", *places], rows)


def _lines(path: Path) -> list[str]:
    """
    Raises:
        DatasetError: the file cannot be read.
    """
    try:
        return table_text(path).splitlines()
    except (OSError, ValueError) as error:
        raise DatasetError(f"{printable(path)} cannot be read: {reason(error)}.") from error


JAMENDO_COLUMNS = ["TRACK_ID", "ARTIST_ID", "ALBUM_ID", "PATH", "DURATION", "TAGS"]
JAMENDO_FILES = ("autotagging_genre.tsv", "data/autotagging_genre.tsv", "autotagging.tsv", "data/autotagging.tsv")


class Jamendo(Collection):
    name = "MTG-Jamendo"

    def find(self, folder: Path) -> Path | None:
        path = beside(folder, *JAMENDO_FILES)
        return path if path is not None and self.is_labels(path) else None

    def is_labels(self, path: Path) -> bool:
        return head(path).split("\n", 1)[0].rstrip("\r").split("\t")[: len(JAMENDO_COLUMNS)] == JAMENDO_COLUMNS

    def labels(self, folder: Path, path: Path | None, settings: LabelSettings) -> Labels:
        table = _read_jamendo(self.required(folder, path), _is_low(folder))
        return table_labels(folder, table, path_column="path", label_column=settings.label_column or "genre")


def _is_low(folder: Path) -> bool:
    return any(name.endswith(".low.mp3") for _, name in find_audio(folder, []))


def _read_jamendo(path: Path, low: bool) -> Table:
    """Read the rows, with one column per kind of tag.

    Args:
        low: whether the files are those of the low-bandwidth copy, ``7400.low.mp3``.

    Raises:
        DatasetError: the file cannot be read, or a row is too short.
    """
    rows: list[dict[str, str]] = []
    kinds: dict[str, None] = {"genre": None}
    for number, line in enumerate(_lines(path)[1:], start=2):
        fields = line.split("\t")
        if len(fields) < len(JAMENDO_COLUMNS) - 1:
            raise DatasetError(
                f"Line {number} of {printable(path)} has {len(fields)} fields, and needs {len(JAMENDO_COLUMNS)}."
            )
        track, artist, album, file, _, *tags = fields
        named: dict[str, list[str]] = {}
        for tag in tags:
            kind, _, name = tag.partition("---")
            named.setdefault(kind, []).append(name)
        kinds |= dict.fromkeys(named)
        audio = file.removesuffix(".mp3") + ".low.mp3" if low and file.endswith(".mp3") else file
        row = {"path": audio, "track_id": track, "artist": artist, "album": album}
        rows.append(row | {kind: "; ".join(names) for kind, names in named.items()})
    columns = ["path", "track_id", "artist", "album", *kinds]
    return Table(path, columns, [{column: row.get(column, "") for column in columns} for row in rows])


ISMIR_PARTS = ("training", "development", "evaluation")
ISMIR_COLUMNS = ["genre", "artist", "album", "title", "number", "path"]


class Ismir04(Collection):
    name = "ISMIR04"

    def find(self, folder: Path) -> Path | None:
        for place in (folder / "metadata", folder, folder_above(folder) / "metadata"):
            if (path := place / "training" / "tracklist.csv").is_file() and self.is_labels(path):
                return path
        return None

    def is_labels(self, path: Path) -> bool:
        first = next(csv.reader(head(path).splitlines()[:1]), [])
        return path.name == "tracklist.csv" and len(first) >= len(ISMIR_COLUMNS) and "." in first[5]

    def labels(self, folder: Path, path: Path | None, settings: LabelSettings) -> Labels:
        path = self.required(folder, path)
        lists = {part: path.parent.parent / part / path.name for part in ISMIR_PARTS}
        rows = [row for part, one in lists.items() for row in _read_ismir04(one, part)]
        table = Table(path, [*ISMIR_COLUMNS, "split"], rows)
        name = "tracklist.csv of " + ", ".join(part for part, one in lists.items() if one.is_file())
        labels = table_labels(folder, table, path_column="path", label_column=settings.label_column, name=name)
        return labels.with_own_split()


def _read_ismir04(path: Path, part: str) -> list[dict[str, str]]:
    """
    Raises:
        DatasetError: the file cannot be read or a row is too short.
    """
    if not path.is_file():
        return []
    rows = []
    try:
        lines = csv.reader(table_text(path).splitlines(), quotechar="'" if head(path)[:1] == "'" else '"')
        for fields in lines:
            if not fields:
                continue
            if len(fields) < len(ISMIR_COLUMNS):
                raise ValueError(f"line {lines.line_num} has {len(fields)} fields, and needs {len(ISMIR_COLUMNS)}")
            row = dict(zip(ISMIR_COLUMNS, map(str.strip, fields), strict=False))
            inside = row["path"].replace("\\", "/").removeprefix("./")
            rows.append(row | {"path": f"{part}/{inside.removeprefix(f'{part}/')}", "split": SPLIT_NAMES[part]})
    except (OSError, ValueError, csv.Error) as error:
        raise DatasetError(f"{printable(path)} cannot be read as a tracklist of ISMIR04: {reason(error)}.") from error
    return rows


MSD_ROW = re.compile(r"(TR[A-Z]{5}[0-9A-F]{11})[\t,; ]\s*(\S.*)")
MSD_SUFFIXES = (".cls", ".txt", ".tsv", ".csv")


class MillionSong(Collection):
    name = "Million Song ids"

    def find(self, folder: Path) -> Path | None:
        for place in (folder, folder_above(folder)):
            for path in entries(place):
                if path.suffix.lower() in MSD_SUFFIXES and path.is_file() and self.is_labels(path):
                    return path
        return None

    def is_labels(self, path: Path) -> bool:
        lines = [line for line in head(path).splitlines() if line.strip() and not line.startswith(("#", "%"))]
        return bool(lines) and MSD_ROW.fullmatch(lines[0].strip()) is not None

    def labels(self, folder: Path, path: Path | None, settings: LabelSettings) -> Labels:
        path = self.required(folder, path)
        rows = [
            {"track_id": found[1], "genre": found[2].replace("\t", "; ")}
            for line in _lines(path)
            if (found := MSD_ROW.fullmatch(line.strip()))
        ]
        table = Table(path, ["track_id", "genre"], rows)
        return table_labels(folder, table, label_column=settings.label_column)


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
