"""A tiny collection of made-up sounds, and a feature store that belongs to the tests."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

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


@pytest.fixture(scope="session")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_collection(tmp_path_factory.mktemp("collection") / "genres")


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Neither reads nor fills the user's feature store; one thread, so that several test runs can share a machine."""
    before = {name: os.environ.get(name) for name in ("GENRE_TUI_CACHE", "OMP_NUM_THREADS")}
    os.environ |= {"GENRE_TUI_CACHE": str(tmp_path_factory.mktemp("cache")), "OMP_NUM_THREADS": "1"}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    for name, value in before.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value
