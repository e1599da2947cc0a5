"""FMA (Defferrard et al., 2017): ``fma_small/000/000002.mp3`` and ``fma_metadata/tracks.csv`` with genres.csv, or the
same as zip archives.

tracks.csv has three header rows: groups (track, album, artist, set), names, and the name of the index. Its ids have no
leading zeros. Some MP3 files are shorter than 30 s or cannot be decoded; the scan reports the latter.
"""

import csv
from pathlib import Path

from core.dataset.clip import DatasetError
from core.dataset.labels.collections.collection import Collection, beside, head
from core.dataset.labels.files import Labels
from core.dataset.labels.settings import LabelSettings
from core.dataset.labels.table import table_labels
from core.dataset.labels.tree import GenreTree, read_tree
from core.dataset.metadata import Table
from core.util.text import printable

COLUMNS = {
    ("track", "genre_top"): "genre_top",
    ("track", "genres"): "genres",
    ("set", "split"): "split",
    ("set", "subset"): "subset",
    ("artist", "id"): "artist",
    ("artist", "name"): "artist_name",
    ("album", "id"): "album",
    ("track", "title"): "title",
}
"""What is kept of tracks.csv; artist and album are ids, because names are not unique."""


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
        labels = table_labels(folder, _read(path, tree), label_column=column, tree=tree)
        return labels.with_own_split()


def _read(path: Path, tree: GenreTree | None) -> Table:
    """
    Raises:
        DatasetError: the file is damaged.
    """
    rows: list[dict[str, str]] = []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            lines = csv.reader(file)
            groups, names, _ = next(lines), next(lines), next(lines)
            places = {COLUMNS[key]: at for at, key in enumerate(zip(groups, names, strict=True)) if key in COLUMNS}
            for fields in lines:
                if len(fields) != len(names):
                    raise ValueError(f"line {lines.line_num} has {len(fields)} fields, and the header has {len(names)}")
                rows.append({"track_id": fields[0]} | {name: fields[at] for name, at in places.items()})
    except (OSError, ValueError, StopIteration, csv.Error) as error:
        raise DatasetError(f"{printable(path)} cannot be read as FMA's tracks: {error}.") from error
    return Table(path, ["track_id", *places], rows)


FMA = Fma()
