"""The remembered training clips that explain a verdict."""

from pathlib import Path

import numpy as np
import pytest

from core.inference.classifier import Classifier
from core.inference.torch_backend import TorchBackend
from core.labelling.embedding import embed_dataset
from core.labelling.make_model import make_model
from core.training.checkpoint import read_model, write_model
from core.training.training_set import TrainingSet
from tests.support.sounds import write

RATE = 22_050


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GENRE_TUI_CACHE", str(tmp_path / "cache"))
    noise = np.random.default_rng(0).normal(0, 0.1, 15 * RATE)
    times = np.arange(len(noise)) / RATE
    for number in range(4):
        tones = np.sin(2 * np.pi * 200 * 2**number * times) / 4 + noise / 20
        beats = noise * (np.sin(2 * np.pi * (1 + 2 * number) * times) > 0)
        for genre, sound in (("jazz", tones), ("metal", beats)):
            (tmp_path / "music" / genre).mkdir(parents=True, exist_ok=True)
            write(tmp_path / "music" / genre / f"{genre}.{number}.wav", sound.astype(np.float32), RATE)
    found = embed_dataset(tmp_path / "music")
    return make_model(found, {i: clip.genre for i, clip in enumerate(found.clips)}, tmp_path).run.best_model_path


def test_a_training_clip_is_among_the_nearest_to_itself(tmp_path: Path, model: Path) -> None:
    classifier = Classifier.load(model, "cpu")
    assert isinstance(classifier.network, TorchBackend)
    remembered = classifier.network.remembered
    assert remembered is not None
    for path in sorted((tmp_path / "music").rglob("*.wav")):
        with remembered.watching():
            classifier.classify_file(path)
        near = remembered.nearest(4)
        assert {clip.genre for clip in near} == {path.parent.name}
        assert path.stem in [clip.name for clip in near[:2]], "windows of 3 s are compared with stretches of 15 s"


def test_a_model_that_does_not_list_what_it_remembers_says_nothing(model: Path) -> None:
    content = read_model(model)
    content.dataset = TrainingSet(name="other", parts={})
    write_model(model, content)
    assert TorchBackend(model, "cpu").remembered is None
    classifier = Classifier.load(model, "cpu")
    assert classifier.genres == ["jazz", "metal"]
