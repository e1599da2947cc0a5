"""The remembered training clips that explain a verdict."""

from pathlib import Path

import numpy as np
import pytest

from core.inference.batch.cache import PredictionCache, model_key
from core.inference.batch.classify_files import classify_files
from core.inference.classifier import Classifier
from core.inference.find_model import default_model
from core.inference.torch_backend import TorchBackend
from core.inference.types import Prediction, as_plain
from core.labelling.embedding import embed_dataset
from core.labelling.make_model import make_model
from core.training.checkpoint import TrainingSet, read_model, write_model
from core.util.errors import UserError
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


def sounds(folder: Path) -> list[Path]:
    return sorted((folder / "music").rglob("*.wav"))


def test_a_training_clip_is_among_the_nearest_to_itself(tmp_path: Path, model: Path) -> None:
    classifier = Classifier.load(model, "cpu")
    for path in sounds(tmp_path):
        near = classifier.classify_file(path, nearest=4).nearest
        assert {clip.genre for clip in near} == {path.parent.name}
        assert path.stem in [clip.name for clip in near[:2]], "windows of 3 s are compared with stretches of 15 s"


def test_files_that_share_batches_and_threads_get_their_own(tmp_path: Path, model: Path) -> None:
    classifier = Classifier.load(model, "cpu")
    alone = [classifier.classify_file(path, nearest=3) for path in sounds(tmp_path)]
    together = list(classify_files(classifier, sounds(tmp_path), jobs=2, nearest=3))
    assert [one.nearest for one in together if isinstance(one, Prediction)] == [one.nearest for one in alone]


def test_predictions_without_enough_of_them_are_not_reused(tmp_path: Path, model: Path) -> None:
    classifier = Classifier.load(model, "cpu")
    cache = PredictionCache(tmp_path / "cache.sqlite", model_key(model, 0))

    def counts(nearest: int) -> set[int]:
        results = classify_files(classifier, sounds(tmp_path), jobs=1, nearest=nearest, cache=cache, skip_existing=True)
        return {len(one.nearest) for one in results if isinstance(one, Prediction)}

    assert [counts(nearest) for nearest in (0, 4, 2, 0, 8)] == [{0}, {4}, {2}, {0}, {8}]
    cache.close()


def test_the_bundled_model_names_clips_that_it_was_trained_on(tmp_path: Path, model: Path) -> None:
    bundled = default_model()
    assert bundled is not None
    classifier = Classifier.load(bundled, "cpu")
    near = classifier.classify_file(sounds(tmp_path)[0], nearest=2)
    genres = {f"{clip.genre}/{clip.name}" for clip in near.nearest}
    assert len(genres) == 2 and genres <= classifier.learnt
    assert [*as_plain(near, [])["nearest"][0]] == ["genre", "name"]
    assert as_plain(classifier.classify_file(sounds(tmp_path)[0]), [])["nearest"] == []


def test_a_model_that_does_not_list_what_it_remembers_says_nothing(tmp_path: Path, model: Path) -> None:
    content = read_model(model)
    content.dataset = TrainingSet(name="other", parts={})
    write_model(model, content)
    assert TorchBackend(model, "cpu").remembered is None
    classifier = Classifier.load(model, "cpu")
    assert classifier.classify_file(sounds(tmp_path)[0], nearest=2).nearest == []
    with pytest.raises(UserError, match="stores no training clips"):
        list(classify_files(classifier, sounds(tmp_path), jobs=1, nearest=2))
