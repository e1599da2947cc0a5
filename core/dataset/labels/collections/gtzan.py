"""GTZAN: ``genres/<genre>/<genre>.00000.au``, and the layout on Kaggle, ``Data/genres_original/<genre>/*.wav``.

On Kaggle jazz.00054.wav is damaged, and the CSV files beside the audio hold features, which are not labels. Lists such
as ``train_filtered.txt`` (the fault-filtered split) give the column ``split``.
"""

from pathlib import Path

from core.dataset.labels.collections.collection import Collection
from core.dataset.labels.files import Labels, entries
from core.dataset.labels.folders import folder_labels, genre_root
from core.dataset.labels.settings import LabelSettings

GENRES = {"blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock"}


class Gtzan(Collection):
    name = "GTZAN"

    def find(self, folder: Path) -> Path | None:
        root = genre_root(folder)
        return root if {path.name for path in entries(root) if path.name in GENRES} == GENRES else None

    def labels(self, folder: Path, path: Path | None, settings: LabelSettings) -> Labels:
        return folder_labels(folder, name="GTZAN, a folder per genre")


GTZAN = Gtzan()
