"""Made-up music for label sources: short clips, tags, tables."""

import csv
from pathlib import Path

import mutagen
import numpy as np

from tests.support.sounds import sweep, write


def sound(path: Path, number: int) -> Path:
    """A short clip that differs from those of other numbers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rate = 44_100 if path.suffix == ".mp3" else 8000
    return write(path, np.roll(sweep(0.7, rate), 40 * number), rate)


def tagged(path: Path, number: int, **tags: str) -> Path:
    """The same with tags under mutagen's easy names."""
    file = mutagen.File(sound(path, number), easy=True)
    if file.tags is None:
        file.add_tags()
    for name, value in tags.items():
        file.tags[name] = [value]
    file.save()
    return path


def table(path: Path, rows: list[dict[str, str]], delimiter: str = ",") -> Path:
    """A table of the rows, whose columns are those of the first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return path
