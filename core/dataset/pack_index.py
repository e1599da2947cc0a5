"""What lies in a feature pack, without its spectrograms. Imports no torch.

A pack is a folder with three files: ``features.npy``, (N, M, T) uint8; ``index.csv``, a row for each of the N in the
same order; and ``pack.json``, which names the front end and is written last.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import msgspec

from core.audio.errors import printable
from core.dataset.clip import Clip
from core.dataset.errors import DatasetError
from core.features.settings import FrontEndSettings

VERSION = 1
FEATURES, INDEX, MANIFEST = "features.npy", "index.csv", "pack.json"
OWN_COLUMNS = ("name", "genre", "content", "frames", "rate", "channels", "format", "duration_s")


class Manifest(msgspec.Struct):
    version: int
    front_end: FrontEndSettings
    source: str
    """What it was made from, for people."""


@dataclass(frozen=True)
class PackIndex:
    front_end: FrontEndSettings
    clips: list[Clip]
    frames: list[int]
    """Valid frames of each clip."""


def is_pack(folder: Path) -> bool:
    return (folder / MANIFEST).is_file()


def read_pack_index(folder: Path) -> PackIndex:
    """The clips of the pack, in the order of its spectrograms.

    Raises:
        DatasetError: a file of the pack is missing, damaged, or of a later version.
    """
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
        if manifest.version != VERSION:
            raise DatasetError(
                f"The feature pack {printable(folder)} is of version {manifest.version}; this program reads {VERSION}."
            )
        with (folder / INDEX).open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        clips = [_clip(folder, row) for row in rows]
        return PackIndex(manifest.front_end, clips, [int(row["frames"]) for row in rows])
    except (OSError, KeyError, ValueError, csv.Error) as error:
        raise DatasetError(f"The feature pack {printable(folder)} is damaged: {error}.") from error


def write_pack_index(
    folder: Path, front_end: FrontEndSettings, clips: list[Clip], frames: list[int], source: str
) -> None:
    """Index and manifest of a pack whose spectrograms are written already."""
    extra = list(dict.fromkeys(column for clip in clips for column in clip.columns if column not in OWN_COLUMNS))
    with (folder / INDEX).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*OWN_COLUMNS, *extra], restval="")
        writer.writeheader()
        for clip, count in zip(clips, frames, strict=True):
            own = {column: getattr(clip, column) for column in OWN_COLUMNS if column != "frames"}
            writer.writerow({column: clip.columns.get(column, "") for column in extra} | own | {"frames": count})
    manifest = Manifest(VERSION, front_end, source)
    (folder / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))


def _clip(folder: Path, row: dict[str, str]) -> Clip:
    return Clip(
        path=folder / row["name"],
        genre=row["genre"],
        name=row["name"],
        content=row["content"],
        rate=int(row["rate"]),
        channels=int(row["channels"]),
        format=row["format"],
        duration_s=float(row["duration_s"]),
        columns={column: value for column, value in row.items() if column not in OWN_COLUMNS},
    )
