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


def mixed_folder(root: Path) -> Path:
    """Clips of every kind: shorter and longer than the front end's, other rates, stereo, lossy."""
    genre_folder(root, {"a": 2, "b": 2}, seconds=1.3)
    write(root / "a" / "long.wav", sweep(5, 22_050), 22_050)
    write(root / "a" / "stereo.flac", np.stack([sweep(2, 44_100)] * 2, axis=1), 44_100)
    write(root / "b" / "lossy.mp3", sweep(3, 48_000), 48_000)
    write(root / "b" / "odd.wav", sweep(3, 44_101), 44_101)
    return root
