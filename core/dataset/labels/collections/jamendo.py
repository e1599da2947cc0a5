"""MTG-Jamendo (Bogdanov et al., 2019): ``autotagging_genre.tsv`` and ``00/7400.mp3``, or ``00/7400.low.mp3``.

A row ends with as many tags as the track has, each in a field of its own: ``genre---rock``, ``genre---pop``.
"""

from pathlib import Path

from core.dataset.clip import DatasetError
from core.dataset.labels.collections.collection import Collection, beside, head
from core.dataset.labels.files import Labels, find_audio
from core.dataset.labels.settings import LabelSettings
from core.dataset.labels.table import table_labels
from core.dataset.metadata import Table
from core.util.text import printable

COLUMNS = ["TRACK_ID", "ARTIST_ID", "ALBUM_ID", "PATH", "DURATION", "TAGS"]
FILES = ("autotagging_genre.tsv", "data/autotagging_genre.tsv", "autotagging.tsv", "data/autotagging.tsv")


class Jamendo(Collection):
    name = "MTG-Jamendo"

    def find(self, folder: Path) -> Path | None:
        path = beside(folder, *FILES)
        return path if path is not None and self.is_labels(path) else None

    def is_labels(self, path: Path) -> bool:
        return head(path).split("\n", 1)[0].rstrip("\r").split("\t")[: len(COLUMNS)] == COLUMNS

    def labels(self, folder: Path, path: Path | None, settings: LabelSettings) -> Labels:
        table = _read(self.required(folder, path), _is_low(folder))
        return table_labels(folder, table, path_column="path", label_column=settings.label_column or "genre")


def _is_low(folder: Path) -> bool:
    return any(name.endswith(".low.mp3") for _, name in find_audio(folder, []))


def _read(path: Path, low: bool) -> Table:
    """The rows with one column per kind of tag.

    Args:
        low: whether the files are those of the low-bandwidth copy, ``7400.low.mp3``.

    Raises:
        DatasetError: a row is too short.
    """
    rows: list[dict[str, str]] = []
    kinds: dict[str, None] = {"genre": None}
    for number, line in enumerate(path.read_text("utf-8", errors="replace").splitlines()[1:], start=2):
        fields = line.split("\t")
        if len(fields) < len(COLUMNS) - 1:
            raise DatasetError(
                f"Line {number} of {printable(path)} has {len(fields)} fields, and needs {len(COLUMNS)}."
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


JAMENDO = Jamendo()
