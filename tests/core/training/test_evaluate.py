"""A model file on a dataset, honestly."""

from pathlib import Path

import pytest
import torch

from core.dataset.pack import pack
from core.errors import UserError
from core.runs import events as ev
from core.runs.folder import RunFolder
from core.training.evaluate import evaluate
from tests.core.training import lives
from tests.core.training.conftest import GENRES, make_collection


@pytest.fixture(scope="module")
def trained(collection: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    run = lives.new_run(tmp_path_factory.mktemp("runs"), collection, epochs=4)
    lives.train(run)
    return run


def test_the_test_part_gives_the_figures_of_the_run(trained: RunFolder, collection: Path) -> None:
    tested = lives.of_kind(trained, ev.TestFinished)[0]
    result = evaluate(trained.best_model_path, collection, part="test", device="cpu")
    assert result["clips"] == 3 and result["confusion"] == tested.confusion
    assert result["loss"] == pytest.approx(tested.loss, rel=1e-5)
    assert result["accuracy"] == tested.accuracy and result["macro_f1"] == tested.macro_f1
    assert "test part of the model's own random stratified split" in result["protocol"]


def test_by_default_nothing_that_was_learnt_from(trained: RunFolder, collection: Path) -> None:
    result = evaluate(trained.best_model_path, collection, device="cpu")
    assert result["clips"] == 3
    assert "27 that the model was trained on or chosen by are left out" in result["protocol"]
    everything = evaluate(trained.best_model_path, collection, part="all", device="cpu")
    assert everything["clips"] == 30 and "trained on or chosen by 27 of them" in everything["protocol"]


def test_a_pack_of_the_same_collection_is_recognised(trained: RunFolder, collection: Path, tmp_path: Path) -> None:
    pack(collection, tmp_path / "pack", lives.FRONT_END)
    audio = evaluate(trained.best_model_path, collection, device="cpu")
    packed = evaluate(trained.best_model_path, tmp_path / "pack", device="cpu")
    for figure in ("clips", "accuracy", "loss", "confusion"):
        assert packed[figure] == audio[figure]


def test_a_column_and_genres_that_the_model_does_not_know(trained: RunFolder, tmp_path: Path) -> None:
    data = make_collection(tmp_path / "genres", {**GENRES, "new": 700.0}, clips=3)
    rows = [f"{genre}.{i:05d},{'a' if i else 'b'}" for genre in [*GENRES, "new"] for i in range(3)]
    (data / "index.csv").write_text("\n".join(["name,half", *rows]))
    result = evaluate(trained.best_model_path, data, split_column="half", part="a", device="cpu")
    assert result["clips"] == 6
    assert result["protocol"].startswith("a of the column half")
    assert "2 clips of genres that the model does not know" in result["protocol"]
    with pytest.raises(UserError, match="No clip has 'c'"):
        evaluate(trained.best_model_path, data, split_column="half", part="c", device="cpu")


def test_what_cannot_be_evaluated_says_why(trained: RunFolder, collection: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no part 'best'"):
        evaluate(trained.best_model_path, collection, part="best", device="cpu")
    with pytest.raises(UserError, match="is not there"):
        evaluate(tmp_path / "none.pth", collection, device="cpu")
    torch.save({"other": 1}, tmp_path / "other.pth")
    with pytest.raises(UserError, match="not a model of genre-tui"):
        evaluate(tmp_path / "other.pth", collection, device="cpu")
