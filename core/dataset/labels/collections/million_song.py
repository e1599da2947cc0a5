"""Lists of Million Song ids and genres (tagtraum's, the MASD's and the Top-MAGD's): ``TRAAAAW128F429D538<tab>Rock``.

The list has no header and may begin with comments; a second genre may follow. Audio is named by id, in any folders.
"""

import re
from pathlib import Path

from core.dataset.labels.collections.collection import Collection, head
from core.dataset.labels.files import Labels, entries
from core.dataset.labels.settings import LabelSettings
from core.dataset.labels.table import table_labels
from core.dataset.metadata import Table, decoded
from core.util.archive.path import folder_above

ROW = re.compile(r"(TR[A-Z]{5}[0-9A-F]{11})[\t,; ]\s*(\S.*)")
SUFFIXES = (".cls", ".txt", ".tsv", ".csv")


class MillionSong(Collection):
    name = "Million Song ids"

    def find(self, folder: Path) -> Path | None:
        for place in (folder, folder_above(folder)):
            for path in entries(place):
                if path.suffix.lower() in SUFFIXES and path.is_file() and self.is_labels(path):
                    return path
        return None

    def is_labels(self, path: Path) -> bool:
        lines = [line for line in head(path).splitlines() if line.strip() and not line.startswith(("#", "%"))]
        return bool(lines) and ROW.fullmatch(lines[0].strip()) is not None

    def labels(self, folder: Path, path: Path | None, settings: LabelSettings) -> Labels:
        path = self.required(folder, path)
        rows = [
            {"track_id": found[1], "genre": found[2].replace("\t", "; ")}
            for line in decoded(path.read_bytes()).splitlines()
            if (found := ROW.fullmatch(line.strip()))
        ]
        table = Table(path, ["track_id", "genre"], rows)
        return table_labels(folder, table, label_column=settings.label_column)


MILLION_SONG = MillionSong()
