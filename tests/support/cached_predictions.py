"""Short ways to put a prediction into a cache and to look it up."""

from pathlib import Path

from core.audio.files.open_file import open_file
from core.inference.batch.cache import PredictionCache
from core.inference.types import Prediction


def prediction(genre: str) -> Prediction:
    return Prediction(genre=genre, probability=0.9, probabilities={genre: 0.9, "other": 0.1}, duration_s=3.0)


def known(index: PredictionCache, path: Path) -> Prediction | None:
    with open_file(path) as file:
        return index.known(path, file)[1]


def remember(index: PredictionCache, path: Path, said: Prediction) -> None:
    with open_file(path) as file:
        index.remember(index.known(path, file)[0], said)
