"""Which model answers."""

import os
from pathlib import Path

import pytest

from core.dataset.synthetic import STYLES
from core.inference import find_model as module
from core.inference.find_model import choose_model, find_model, list_models, resolve_model
from core.runs import actions
from core.runs.directory import create
from core.runs.folder import RunFolder
from core.runs.journal import events as ev
from core.util.errors import UserError
from tests.support.event_sequences import beginning, epoch, run_started, whole_run, write_journal


@pytest.fixture(autouse=True)
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "default_model.pth"
    path.touch()
    monkeypatch.setattr(module, "default_model", lambda: path if path.exists() else None)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return path


def make_run(runs: Path, name: str, *events: ev.Event, model: bool = True) -> Path:
    run = create(runs, {}, "data", "small_cnn", name=name)
    if events:
        write_journal(run.journal_path, events)
    if model:
        run.best_model_path.touch()
    return run.best_model_path


def test_without_a_choice_the_bundled_model_however_new_a_run_is(tmp_path: Path, shipped: Path) -> None:
    make_run(tmp_path, "new", *whole_run())
    assert find_model(None, tmp_path) == shipped
    assert resolve_model(None, tmp_path) == (shipped, "bundled; genre-tui use RUN chooses another")
    assert find_model("default", tmp_path / "nowhere") == shipped


def test_a_choice_lasts_and_belongs_to_a_runs_folder(tmp_path: Path, shipped: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    best = make_run(here, "best", *whole_run())
    make_run(there, "best", *whole_run())
    assert choose_model("best", here) == (best, "chosen with genre-tui use")
    assert find_model(None, here) == best
    assert find_model(None, there) == shipped
    assert find_model("default", here) == shipped, "a name goes before a choice"
    choose_model(os.fspath(best), there)  # of another folder, by its file
    assert find_model(None, there) == best
    choose_model("default", here)
    assert find_model(None, here) == shipped


def test_a_choice_that_is_gone_gives_way_and_says_so(tmp_path: Path, shipped: Path) -> None:
    best = make_run(tmp_path, "best", *whole_run())
    choose_model("best", tmp_path)
    best.unlink()
    assert resolve_model(None, tmp_path) == (shipped, "bundled; the chosen model best no longer exists")
    [stored] = (tmp_path / "state" / "genre-tui" / "models").iterdir()
    stored.write_bytes(b"\xff{")
    assert find_model(None, tmp_path) == shipped


def test_a_choice_follows_its_run_through_renaming_and_the_trash(tmp_path: Path, shipped: Path) -> None:
    run = RunFolder(make_run(tmp_path, "best", *whole_run()).parent)
    choose_model("best", tmp_path)
    renamed = actions.rename(run, "better")
    assert find_model(None, tmp_path) == renamed.best_model_path
    other = RunFolder(make_run(tmp_path, "other", *whole_run()).parent)
    actions.rename(other, "another")
    assert find_model(None, tmp_path) == renamed.best_model_path
    renamed.trash()
    assert resolve_model(None, tmp_path) == (shipped, "bundled; the chosen model better no longer exists")
    assert find_model(None, tmp_path) == shipped
    actions.restore(tmp_path, "better")
    assert find_model(None, tmp_path) == renamed.best_model_path


def test_the_list_says_what_each_model_is_worth(tmp_path: Path) -> None:
    sounds = list(STYLES)[:3]
    demo = ev.DatasetScanned(genres=sounds, clips=dict.fromkeys(sounds, 9), parts={"train": 24}, hours=0.1)
    failed = ev.RunFailed(error="no memory", traceback="")
    make_run(tmp_path, "good", *whole_run())
    make_run(tmp_path, "demo", run_started(), demo, *epoch(1), *epoch(2), ev.RunStopped(seconds=1.0, message=""))
    make_run(tmp_path, "short", *beginning(), *epoch(1), ev.RunStopped(seconds=1.0, message=""))
    make_run(tmp_path, "failed", *beginning(), *epoch(1), *epoch(2), failed)
    make_run(tmp_path, "begun", model=False)
    report = '{"part": "test", "accuracy": 0.75, "interval": [0.6, 0.8], "genres": ["a"]}'
    (tmp_path / "good" / "report.json").write_text(report)
    bundled, *choices = list_models(tmp_path)
    assert (bundled.name, bundled.genres) == ("default", 10)
    assert [choice.name for choice in choices] == ["failed", "short", "demo", "good"]
    caveats = {choice.name: choice.caveats for choice in choices}
    assert caveats == {
        "good": (),
        "demo": ("trained on synthetic sounds",),
        "short": ("trained for one epoch",),
        "failed": ("its run failed",),
    }
    good = choices[-1]
    assert (good.network, good.dataset, good.accuracy, good.interval) == ("small_cnn", "music", 0.75, (0.6, 0.8))
    assert resolve_model("failed", tmp_path).reason == f"{tmp_path / 'failed' / 'best_model.pth'}; its run failed"


def test_the_figures_of_the_bundled_model_are_those_of_its_card(shipped: Path) -> None:
    bundled = list_models(shipped.parent)[0]
    card = Path(module.__file__).with_name("model_card.md").read_text()
    assert bundled.accuracy is not None and bundled.interval is not None
    assert f"**{bundled.accuracy:.1%}**" in card
    assert "{:.1%} to {:.1%}".format(*bundled.interval) in card
    assert f"`{bundled.network}`" in card


def test_without_any_the_sentence_says_what_to_do(tmp_path: Path, shipped: Path) -> None:
    shipped.unlink()
    with pytest.raises(UserError, match="genre-tui train"):
        find_model(None, tmp_path)
    with pytest.raises(UserError, match="without a bundled model"):
        find_model("default", tmp_path)


def test_a_file_a_run_and_the_beginning_of_its_name(tmp_path: Path) -> None:
    best = make_run(tmp_path, "2026-01-01_old")
    assert find_model(os.fspath(best), tmp_path) == best
    assert find_model("2026-01-01_old", tmp_path) == best
    assert find_model("2026-01", tmp_path) == best
    assert find_model(os.fspath(best.parent), tmp_path) == best


def test_a_run_without_a_best_model_is_refused(tmp_path: Path) -> None:
    make_run(tmp_path, "begun", model=False)
    with pytest.raises(UserError, match="begun has no best model yet"):
        find_model("begun", tmp_path)
    with pytest.raises(UserError, match="nothing"):
        find_model("nothing", tmp_path)


def test_a_path_that_is_not_a_model_file_is_called_by_what_it_is(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pth")
    (tmp_path / "folder.pth").mkdir()
    for name, said in (
        ("pipe.pth", "is not a regular file"),
        ("folder.pth", "is a folder, not a model file"),
        ("absent.pth", "absent.pth does not exist"),
        ("\x1b[31m/absent", r"\\x1b\[31m/absent does not exist"),
    ):
        with pytest.raises(UserError, match=said):
            find_model(f"{tmp_path}/{name}", tmp_path / "runs")
