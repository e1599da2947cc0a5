"""The accuracy of classified files whose genres are known."""

from pathlib import Path

import pytest

from core.dataset.clip import DatasetError
from core.dataset.settings import LabelSettings
from core.inference.batch.known_labels import known_labels
from core.inference.types import Prediction, Result, Unreadable
from tests.support.music import sound, table

GENRES = ["hiphop", "jazz", "rock"]


def predicted(path: Path, genre: str, *, uncertain: bool = False) -> Prediction:
    return Prediction(
        path=str(path), genre=genre, probability=1.0, probabilities={genre: 1.0}, duration_s=1.0, uncertain=uncertain
    )


def folders(root: Path) -> list[Path]:
    """Two files each of three genres, one of which is spelt differently, and one of a genre that is unknown."""
    names = ["Hip-Hop/a", "Hip-Hop/b", "jazz/a", "jazz/b", "rock/a", "rock/b", "polka/a"]
    return [sound(root / f"{name}.wav", number) for number, name in enumerate(names)]


def test_predictions_are_compared_with_the_folders(tmp_path: Path) -> None:
    files = folders(tmp_path)
    known = known_labels(tmp_path, GENRES)
    assert known is not None
    assert [known.genre_of(file) for file in files[:3]] == ["hiphop", "hiphop", "jazz"]
    said = ["hiphop", "rock", "jazz", "jazz", "rock", "rock", "rock"]
    results: list[Result] = [predicted(file, genre) for file, genre in zip(files, said, strict=True)]
    results[4] = predicted(files[4], "rock", uncertain=True)
    results.append(Unreadable(path=str(tmp_path / "rock" / "c.wav"), error="is empty"))
    results.append(predicted(tmp_path.parent / "elsewhere.wav", "rock"))
    found = known.compare(results, GENRES, learnt={"jazz/a", "rock/z"})
    assert (found.files, found.correct, found.uncertain, found.learnt) == (6, 5, 1, 1)
    assert found.accuracy == pytest.approx(5 / 6)
    assert found.confusion == [[1, 0, 1], [0, 2, 0], [0, 0, 2]]
    assert found.macro_f1 == pytest.approx((2 / 3 + 1 + 4 / 5) / 3)
    assert found.strangers == {"polka": 1}
    text = "\n".join(found.lines())
    assert "labels: a folder per genre; 7 files of 4 genres" in text
    assert "accuracy 83.3% (5 of 6 files), macro F1 0.822; 1 uncertain" in text
    assert "polka (1)" in text
    assert "trained on or selected by 1 of them" in text
    assert "  1  hiphop  1  .  1" in text


def test_folders_that_are_not_named_after_the_models_genres_are_not_labels(tmp_path: Path) -> None:
    folders(tmp_path)
    assert known_labels(tmp_path, ["ska", "punk"]) is None
    assert known_labels(tmp_path / "rock", GENRES) is None
    named = known_labels(tmp_path, ["ska", "punk"], LabelSettings(source="folders"))
    assert named is not None
    nothing = named.compare([], ["ska", "punk"])
    assert (nothing.files, nothing.accuracy) == (0, None)
    assert "no file of a genre that the model knows" in nothing.lines()[-1]


def test_labels_from_a_table_that_is_named(tmp_path: Path) -> None:
    files = folders(tmp_path / "music")
    labels = table(tmp_path / "truth.csv", [{"file": "rock/a.wav", "genre": "Jazz"}])
    known = known_labels(tmp_path / "music", GENRES, LabelSettings(source=str(labels)))
    assert known is not None
    assert [known.genre_of(file) for file in files[4:6]] == ["jazz", None]
    with pytest.raises(DatasetError, match="There is no label file"):
        known_labels(tmp_path / "music", GENRES, LabelSettings(source=str(tmp_path / "gone.csv")))
