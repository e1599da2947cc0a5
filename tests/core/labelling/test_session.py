"""A labelling session: doubt or teaching, decisions with undo, and a model of the labels."""

from pathlib import Path

import numpy as np
import pytest

from core.dataset.clip import Clip
from core.dataset.labels.decisions import EXCLUDED, read_overlay
from core.dataset.pack import ARCHIVE_FRONT_END
from core.inference.find_model import caveats_of
from core.labelling.embedding import EmbeddedSet
from core.labelling.make_model import make_model
from core.labelling.session import LabelSession
from core.models.networks.window_statistics import WindowStatistics
from core.training.checkpoint import read_model
from core.util.errors import UserError

GENRES = ("ambient", "カントリー", "x" * 40)


def embedded(tmp_path: Path, genres: list[str]) -> EmbeddedSet:
    """Clips whose statistics lie around their genre's; an empty genre lies around the first."""
    rng = np.random.default_rng(0)
    count = WindowStatistics(ARCHIVE_FRONT_END.n_mels).count
    centre = {genre: rng.normal(0, 1, count) for genre in sorted(set(genres))}
    embeddings = np.stack([centre[genre] + rng.normal(0, 0.5, (3, count)) for genre in genres]).astype(np.float32)
    clips = [
        Clip(tmp_path / f"{i}.wav", genre, str(i), f"{i:032x}", 22_050, 1, "WAV", 30.0)
        for i, genre in enumerate(genres)
    ]
    return EmbeddedSet(tmp_path, clips, embeddings, ARCHIVE_FRONT_END, [])


def test_steps_of_several_clips_are_taken_back_one_by_one(tmp_path: Path) -> None:
    found = embedded(tmp_path, [GENRES[i % 3] for i in range(12)])
    session = LabelSession(found, tmp_path / "labels.csv")
    assert not session.teaches
    session.decide([0, 1], GENRES[2])
    session.decide([1], EXCLUDED)
    session.decide([2], found.clips[2].genre)
    other = LabelSession(found, tmp_path / "labels.csv")
    assert other.decisions == session.decisions == {0: GENRES[2], 1: EXCLUDED, 2: GENRES[2]}
    assert 1 not in session.labels()
    other.decide([5], GENRES[0])
    assert [session.undo(), session.undo(), session.undo()] == [{2: ""}, {1: GENRES[2]}, {0: "", 1: ""}]
    assert session.undo() == {} and session.decisions == {}
    again = LabelSession(found, tmp_path / "labels.csv")
    assert again.decisions == {5: GENRES[0]}, "the other session's decision stands"
    assert len(read_overlay(tmp_path / "labels.csv")) == 9


def test_teaching_ranks_what_is_left_and_knows_how_well_it_does(tmp_path: Path) -> None:
    truth = [GENRES[i % 3] for i in range(30)]
    found = embedded(tmp_path, truth)
    for clip in found.clips:
        object.__setattr__(clip, "genre", "")
    session = LabelSession(found, tmp_path / "labels.csv")
    assert session.teaches and session.accuracy() is None
    assert session.prediction(0).probabilities == {}
    for _ in range(12):
        index = session.rank().order[0]
        assert index not in session.decisions
        session.decide([index], truth[index])
    ranking = session.rank(GENRES[1])
    assert len(ranking.order) == 18 and truth[ranking.order[0]] == GENRES[1]
    assert ranking.suggested == truth
    accuracy = session.accuracy()
    assert accuracy is not None and accuracy.share == 1.0 and accuracy.low < 0.8 and accuracy.clips == 12
    prediction = session.prediction(ranking.order[0])
    assert prediction.genre == GENRES[1] and len(prediction.segments) == 3
    assert len(session.neighbours(0, 5)) == 5


def test_examples_of_another_dataset_teach(tmp_path: Path) -> None:
    truth = [GENRES[i % 3] for i in range(30)]
    found = embedded(tmp_path, truth)
    for clip in found.clips:
        object.__setattr__(clip, "genre", "")
    session = LabelSession(found, tmp_path / "labels.csv")
    session.add_examples(embedded(tmp_path, truth[:9]))
    assert session.genres == sorted(GENRES)
    ranking = session.rank()
    assert ranking.suggested == truth and len(ranking.order) == 30
    session.decide([0], "new")
    made = session.make_model(tmp_path / "runs")
    assert made.clips == 10 and read_model(made.run.best_model_path).genres == sorted([*GENRES, "new"])


@pytest.mark.parametrize("clips", [1, 6])
def test_a_dataset_of_one_genre_is_taught(tmp_path: Path, clips: int) -> None:
    session = LabelSession(embedded(tmp_path, ["rock"] * clips), tmp_path / "labels.csv")
    assert session.teaches and "two genres" in session.reason
    session.rank()
    assert session.prediction(0).genre == "rock"
    assert session.accuracy() is None
    with pytest.raises(UserError, match="two genres"):
        make_model(session.found, session.labels(), tmp_path / "runs")


def test_a_model_of_labels_is_a_run(tmp_path: Path) -> None:
    found = embedded(tmp_path, [GENRES[i % 3] for i in range(12)])
    made = make_model(found, {index: found.clips[index].genre for index in range(10)}, tmp_path / "runs")
    model = read_model(made.run.best_model_path)
    assert model.genres == sorted(GENRES) and made.clips == 10 and made.accuracy == 1.0
    assert made.run.state().status == "finished"
    assert caveats_of(made.run.best_model_path) == ()
