"""Small folders of genres to scan, and the shared collections where they are there."""

from pathlib import Path

import numpy as np

from tests.support.sounds import sweep, write


def genre_folder(root: Path, clips: dict[str, int], *, seconds: float = 1.0, suffix: str = ".au") -> Path:
    """``root`` with so many different clips for each genre."""
    for number, (genre, count) in enumerate(clips.items()):
        (root / genre).mkdir(parents=True)
        for clip in range(count):
            y = np.roll(sweep(seconds, 22_050), 1000 * clip) * np.float32(1 - 0.1 * number)
            write(root / genre / f"{genre}.{clip:05d}{suffix}", y, 22_050)
    return root
