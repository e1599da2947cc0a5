"""Ballroom: ``BallroomData/<dance>/*.wav`` with the list ``allBallroomFiles``."""

from pathlib import Path

from core.dataset.labels.collections.collection import Collection
from core.dataset.labels.files import Labels, entries
from core.dataset.labels.folders import folder_labels, genre_root
from core.dataset.labels.settings import LabelSettings

DANCES = {"ChaChaCha", "Jive", "Quickstep", "Rumba", "Samba", "Tango", "VienneseWaltz", "Waltz"}


class Ballroom(Collection):
    name = "Ballroom"

    def find(self, folder: Path) -> Path | None:
        root = genre_root(folder)
        return root if len(DANCES & {path.name.partition("-")[0] for path in entries(root)}) >= 6 else None

    def labels(self, folder: Path, path: Path | None, settings: LabelSettings) -> Labels:
        return folder_labels(folder, name="Ballroom, a folder per dance")


BALLROOM = Ballroom()
