"""ISMIR04 genre contest: ``audio/{training,development,evaluation}`` and ``metadata/<part>/tracklist.csv``.

A tracklist has no header: class, artist, album, track, track number, path; the contest called its parts training,
development (here validation) and evaluation (here test).
"""

import csv
from pathlib import Path

from core.dataset.clip import DatasetError
from core.dataset.labels.collections.collection import Collection, head
from core.dataset.labels.files import SPLIT_NAMES, Labels
from core.dataset.labels.settings import LabelSettings
from core.dataset.labels.table import table_labels
from core.dataset.metadata import Table, decoded
from core.util.archive.path import folder_above
from core.util.text import printable

PARTS = ("training", "development", "evaluation")
COLUMNS = ["genre", "artist", "album", "title", "number", "path"]


class Ismir04(Collection):
    name = "ISMIR04"

    def find(self, folder: Path) -> Path | None:
        for place in (folder / "metadata", folder, folder_above(folder) / "metadata"):
            if (path := place / "training" / "tracklist.csv").is_file() and self.is_labels(path):
                return path
        return None

    def is_labels(self, path: Path) -> bool:
        first = next(csv.reader(head(path).splitlines()[:1]), [])
        return path.name == "tracklist.csv" and len(first) >= len(COLUMNS) and "." in first[5]

    def labels(self, folder: Path, path: Path | None, settings: LabelSettings) -> Labels:
        path = self.required(folder, path)
        lists = {part: path.parent.parent / part / path.name for part in PARTS}
        rows = [row for part, one in lists.items() for row in _read(one, part)]
        table = Table(path, [*COLUMNS, "split"], rows)
        name = "tracklist.csv of " + ", ".join(part for part, one in lists.items() if one.is_file())
        labels = table_labels(folder, table, path_column="path", label_column=settings.label_column, name=name)
        return labels.with_own_split()


def _read(path: Path, part: str) -> list[dict[str, str]]:
    """
    Raises:
        DatasetError: the file cannot be read or a row is too short.
    """
    if not path.is_file():
        return []
    rows = []
    try:
        lines = csv.reader(decoded(path.read_bytes()).splitlines(), quotechar="'" if head(path)[:1] == "'" else '"')
        for fields in lines:
            if not fields:
                continue
            if len(fields) < len(COLUMNS):
                raise ValueError(f"line {lines.line_num} has {len(fields)} fields, and needs {len(COLUMNS)}")
            row = dict(zip(COLUMNS, map(str.strip, fields), strict=False))
            inside = row["path"].replace("\\", "/").removeprefix("./")
            rows.append(row | {"path": f"{part}/{inside.removeprefix(f'{part}/')}", "split": SPLIT_NAMES[part]})
    except (OSError, ValueError, csv.Error) as error:
        raise DatasetError(f"{printable(path)} cannot be read as a tracklist of ISMIR04: {error}.") from error
    return rows


ISMIR04 = Ismir04()
