"""From predictions to a user's own names."""

from pathlib import Path

import pytest

from core.inference.batch.export import Labels, read_labels
from core.inference.types import Prediction, Reason
from core.util.errors import UserError


def prediction(probabilities: dict[str, float], reason: Reason | None = None) -> Prediction:
    genre = max(probabilities, key=lambda name: probabilities[name])
    return Prediction(
        genre=genre,
        probability=probabilities[genre],
        probabilities=probabilities,
        uncertain=reason is not None,
        reason=reason,
        duration_s=3.0,
    )


MIXED = {"rock": 0.45, "metal": 0.35, "jazz": 0.2}


def test_without_thresholds_the_likeliest_is_the_label() -> None:
    assert Labels().of(prediction(MIXED)) == ["rock"]


@pytest.mark.parametrize("reason", list(Reason))
def test_an_uncertain_verdict_earns_no_label(reason: Reason) -> None:
    assert Labels().of(prediction(MIXED, reason)) == []


def test_several_above_a_threshold_likeliest_first() -> None:
    assert Labels(threshold=0.3).of(prediction(MIXED)) == ["rock", "metal"]
    assert Labels(threshold=0.5).of(prediction(MIXED)) == []


def test_a_threshold_decides_where_no_genre_is_clear_but_not_on_what_is_no_music() -> None:
    assert Labels(threshold=0.3).of(prediction(MIXED, Reason.UNCLEAR)) == ["rock", "metal"]
    assert Labels(threshold=0.3).of(prediction(MIXED, Reason.UNKNOWN)) == []
    assert Labels(threshold=0.3).of(prediction(MIXED, Reason.SILENCE)) == []


def test_thresholds_of_single_names_come_first() -> None:
    labels = Labels(threshold=0.3, thresholds={"rock": 0.9, "jazz": 0.1})
    assert labels.of(prediction(MIXED)) == ["metal", "jazz"]


def test_genres_under_one_name_count_together() -> None:
    labels = Labels(names={"rock": "Loud", "metal": "Loud"}, threshold=0.75)
    assert labels.of(prediction(MIXED)) == ["Loud"]


def test_an_empty_name_is_never_a_label() -> None:
    assert Labels(names={"rock": ""}).of(prediction(MIXED)) == []
    assert Labels(names={"rock": ""}, threshold=0.3).of(prediction(MIXED)) == ["metal"]


def test_a_file_of_labels(tmp_path: Path) -> None:
    path = tmp_path / "labels.toml"
    path.write_text('threshold = 0.4\n[names]\nhiphop = "Hip-Hop"\n[thresholds]\n"Hip-Hop" = 0.6\n')
    assert read_labels(path) == Labels(threshold=0.4, names={"hiphop": "Hip-Hop"}, thresholds={"Hip-Hop": 0.6})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("threshold = 2", "from 0 to 1"),
        ("thresholds = 3", "Expected `object`"),
        ("tresholds = {}", "tresholds"),
        ("[names", "not a file of labels"),
    ],
)
def test_mistakes_are_told(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "labels.toml"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        read_labels(path)


def test_names_and_thresholds_have_to_be_the_models() -> None:
    Labels(names={"rock": "Loud"}, thresholds={"Loud": 0.5, "jazz": 0.5}).check(list(MIXED))
    with pytest.raises(UserError, match="no genre 'polka'"):
        Labels(names={"polka": "Polka"}).check(list(MIXED))
    with pytest.raises(UserError, match="threshold for 'rock'"):
        Labels(names={"rock": "Loud"}, thresholds={"rock": 0.5}).check(list(MIXED))
