"""Runs, models and archives made by version 0.1.0, on the synthetic dataset, open, resume and classify as before."""

import json
import shutil
from pathlib import Path

import pytest

from core.dataset.synthetic import make_demo
from core.export.archive import import_archive
from core.inference import Classifier
from core.runs.folder import RunFolder
from core.runs.journal.events import RunFinished
from core.training.run.trainer import run_trainer

MADE = Path(__file__).parents[1] / "data" / "v0.1.0"


@pytest.fixture(scope="module")
def genres(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_demo(tmp_path_factory.mktemp("demo"), clips_per_genre=8, seconds=4.0)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return Path(shutil.copytree(MADE / "runs", tmp_path / "runs"))


def assert_same_predictions(classifier: Classifier, genres: Path) -> None:
    lines = (MADE / "classify.jsonl").read_text().splitlines()
    assert len(lines) == 2
    for line in lines:
        expected = json.loads(line)
        prediction = classifier.classify_file(
            genres.parent.parent / expected["path"].replace("demo", genres.parent.name)
        )
        assert prediction.genre == expected["genre"]
        assert prediction.probabilities == pytest.approx(expected["probabilities"], abs=1e-4)


def test_a_finished_run_is_shown_as_it_ended(runs: Path) -> None:
    state = RunFolder(runs / "finished").state()
    assert (state.status, state.epochs_done, state.model) == ("finished", 3, "crnn")
    assert [row.epoch for row in state.history] == [1, 2, 3]
    assert state.test is not None and len(state.test.genres) == 10


def test_its_model_classifies_the_same(runs: Path, genres: Path) -> None:
    assert_same_predictions(Classifier.load(runs / "finished" / "best_model.pth", device="cpu"), genres)


def test_an_archive_of_it_is_imported_and_classifies_the_same(tmp_path: Path, genres: Path) -> None:
    imported = tmp_path / "imported.pth"
    import_archive(MADE / "archive.zip", imported)
    assert_same_predictions(Classifier.load(imported, device="cpu"), genres)


def test_a_stopped_run_resumes_and_finishes(runs: Path, genres: Path) -> None:
    run = RunFolder(runs / "stopped")
    assert (run.state().status, run.state().epochs_done) == ("stopped", 1)
    run.write_recipe(run.read_recipe() | {"data": str(genres)})
    assert isinstance(run_trainer(run.path), RunFinished)
    state = run.state()
    assert (state.status, [row.epoch for row in state.history]) == ("finished", [1, 2, 3])
    finished = RunFolder(runs / "finished").state()
    assert [row.train_loss for row in state.history] == pytest.approx(
        [row.train_loss for row in finished.history], rel=1e-3
    )
