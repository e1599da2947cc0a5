"""A feature store with made-up spectrograms, each of which follows from its number."""

from pathlib import Path

import torch

from core.dataset.store.feature_store import FeatureStore
from core.features.settings import FrontEndSettings

SETTINGS = FrontEndSettings(n_mels=8, seconds=1.0)
FRAMES = SETTINGS.frames


def codes(number: int, frames: int = FRAMES) -> torch.Tensor:
    return torch.randint(0, 256, (8, frames), dtype=torch.uint8, generator=torch.Generator().manual_seed(number))


def content(number: int) -> str:
    return f"{number:032x}"


def filled(folder: Path, count: int) -> FeatureStore:
    store = FeatureStore(SETTINGS, folder)
    for number in range(count):
        store.put(content(number), codes(number))
    store.flush()
    return store


def assert_holds(store: FeatureStore, numbers: list[int]) -> None:
    rows, frames = store.rows([content(n) for n in numbers])
    assert frames == [FRAMES] * len(numbers)
    for row, number in zip(rows[:], numbers, strict=True):
        torch.testing.assert_close(row, codes(number))
