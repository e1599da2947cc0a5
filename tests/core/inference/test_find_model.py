"""Which model is meant."""

import os
from pathlib import Path

import pytest

from core.inference import find_model as module
from core.inference.find_model import find_model, list_models
from core.runs.directory import create
from core.util.errors import UserError


@pytest.fixture(autouse=True)
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "default_model.pth"
    path.touch()
    monkeypatch.setattr(module, "default_model", lambda: path if path.exists() else None)
    return path


def make_run(runs: Path, name: str, *, model: bool) -> Path:
    run = create(runs, {}, "data", "small_cnn", name=name)
    if model:
        run.best_model_path.touch()
    return run.best_model_path


def test_without_a_name_the_newest_run_that_has_a_best_model(tmp_path: Path) -> None:
    make_run(tmp_path, "2026-01-01_old", model=True)
    newest = make_run(tmp_path, "2026-01-02_new", model=True)
    make_run(tmp_path, "2026-01-03_begun", model=False)
    assert find_model(None, tmp_path) == newest
    assert [choice.name for choice in list_models(tmp_path)] == ["2026-01-02_new", "2026-01-01_old", "default"]


def test_the_newest_is_so_by_its_time_and_not_by_its_name(tmp_path: Path) -> None:
    older, newer = (make_run(tmp_path, name, model=True) for name in ("z", "a"))
    os.utime(older, (1_700_000_000, 1_700_000_000))
    assert find_model(None, tmp_path) == newer


def test_without_runs_the_one_that_comes_along(tmp_path: Path, shipped: Path) -> None:
    assert find_model(None, tmp_path / "nowhere") == shipped
    assert find_model("default", tmp_path / "nowhere") == shipped


def test_without_any_the_sentence_says_what_to_do(tmp_path: Path, shipped: Path) -> None:
    shipped.unlink()
    with pytest.raises(UserError, match="genre-tui train"):
        find_model(None, tmp_path)
    with pytest.raises(UserError, match="without a default model"):
        find_model("default", tmp_path)


def test_a_file_a_run_and_the_beginning_of_its_name(tmp_path: Path) -> None:
    best = make_run(tmp_path, "2026-01-01_old", model=True)
    assert find_model(os.fspath(best), tmp_path) == best
    assert find_model("2026-01-01_old", tmp_path) == best
    assert find_model("2026-01", tmp_path) == best
    assert find_model(os.fspath(best.parent), tmp_path) == best


def test_a_run_without_a_best_model_is_told(tmp_path: Path) -> None:
    make_run(tmp_path, "begun", model=False)
    with pytest.raises(UserError, match="begun has no best model yet"):
        find_model("begun", tmp_path)
    with pytest.raises(UserError, match="nothing"):
        find_model("nothing", tmp_path)
