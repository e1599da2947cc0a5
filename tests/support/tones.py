"""A tiny collection of synthetic sounds in three genres, for training in a second."""

from pathlib import Path

import numpy as np
import soundfile

RATE = 11_025
SECONDS = 2.0
GENRES = {"hum": 110.0, "tone": 440.0, "whistle": 2_000.0}
CLIPS = 10


def make_collection(folder: Path, genres: dict[str, float] = GENRES, clips: int = CLIPS) -> Path:
    """Notes at about the genre's pitch, in noise, each clip different; returns the folder of genres."""
    rng = np.random.default_rng(1)
    t = np.arange(round(SECONDS * RATE)) / RATE
    for genre, pitch in genres.items():
        (folder / genre).mkdir(parents=True)
        for i in range(clips):
            note = np.sin(2 * np.pi * pitch * rng.uniform(0.8, 1.25) * t) * np.cos(rng.uniform(2, 9) * t)
            y = 0.5 * note + 0.05 * rng.standard_normal(len(t))
            soundfile.write(folder / genre / f"{genre}.{i:05d}.wav", y, RATE, subtype="PCM_16")
    return folder
