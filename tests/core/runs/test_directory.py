"""Runs that are found from any directory."""

import os
from pathlib import Path

import pytest

from core.runs import directory
from core.runs.directory import create, find
from core.runs.folder import RunFolder
from core.runs.lock import RunLock
from core.runs.summary import RunList
from core.util.errors import UserError


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def started(runs: Path, name: str) -> RunFolder:
    run = create(runs, {"data": "/music", "model": "small_cnn", "epochs": 3}, "music", "quick", name=name)
    directory.register(run)
    return run


def test_a_live_run_of_another_folder_is_listed_and_found(tmp_path: Path) -> None:
    run, resting = started(tmp_path / "there", "busy"), started(tmp_path / "there", "at rest")
    here = tmp_path / "here"
    with RunLock(run.lock_path):
        assert [summary.path for summary in RunList(here, "live").refresh()] == [str(run.path)]
        assert find(here) == find(here, "busy") == find(here, "bu") == run
    assert RunList(here, "live").refresh() == RunList(here).refresh() == []
    assert {summary.name for summary in RunList(here, "all").refresh()} == {run.name, resting.name}
    assert find(here, "busy") == run
    assert find(here) in (run, resting)  # the newest of those known, where none is here and none is live


def test_without_any_run_the_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"{tmp_path / 'here'} holds no runs; start one"):
        find(tmp_path / "here")


def test_a_run_is_listed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = started(tmp_path / "runs", "one")
    directory.register(run)
    (tmp_path / "same").symlink_to(tmp_path / "runs")
    directory.register(RunFolder(tmp_path / "same" / "one"))
    assert directory.registered() == [run]
    with RunLock(run.lock_path):
        for folder in (tmp_path / "runs", tmp_path / "same"):
            assert len(RunList(folder, "live").refresh()) == 1
        monkeypatch.chdir(tmp_path)
        assert len(RunList(Path("runs"), "all").refresh()) == 1


def test_of_runs_of_one_name_the_live_one_is_meant(tmp_path: Path) -> None:
    one, two = (started(tmp_path / folder, "same") for folder in ("one", "two"))
    with RunLock(two.lock_path):
        assert find(tmp_path, "same") == two
    with pytest.raises(UserError, match=r"2 runs begin with 'same': .*/same, .*/same; give more of the name, or the"):
        find(tmp_path, "same")
    here = started(tmp_path / "here", "same")
    assert find(tmp_path / "here", "same") == here
    assert find(tmp_path / "here", one.path) == one


def test_links_to_nowhere_vanish_and_what_is_not_a_link_stays(tmp_path: Path) -> None:
    run, gone = started(tmp_path / "runs", "one"), started(tmp_path / "runs", "gone")
    empty = started(tmp_path / "runs", "emptied")
    empty.recipe_path.unlink()
    gone.path.rename(tmp_path / "runs" / "other")
    folder = directory.registry_folder()
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "relative").symlink_to("nowhere")
    (folder / "file").write_text("text")
    assert directory.registered() == [run]
    assert directory.live_runs() == []
    assert {path.name for path in folder.iterdir()} - {"loop"} == {directory._link(run.path).name, "file"}
    with pytest.raises(UserError, match=r"no run in .* is called 'gone'"):
        find(tmp_path, "gone")


@pytest.mark.skipif(os.geteuid() == 0, reason="root enters everywhere")
def test_a_folder_that_may_not_be_entered_keeps_its_link(tmp_path: Path) -> None:
    run = started(tmp_path / "runs", "one")
    run.path.parent.chmod(0)
    try:
        assert directory.registered() == []
        with pytest.raises(UserError, match=r"no run in .* is called 'one'"):
            find(tmp_path, "one")
    finally:
        run.path.parent.chmod(0o755)
    assert directory.registered() == [run]


def test_a_state_folder_that_cannot_be_used_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    run = started(tmp_path / "runs", "one")
    assert run.exists()
    assert directory.registered() == directory.live_runs() == []
