import json
import os
from math import nan
from pathlib import Path
from typing import Any

import pytest

from core.runs import summary as summary_module
from core.runs.directory import create
from core.runs.folder import RunFolder
from core.runs.lock import RunLock
from core.runs.summary import CACHE, RunList, RunWatcher, changes, differences, flat
from tests.support.event_sequences import beginning, epoch, run_started, whole_run, write_journal


def make(runs: Path, name: str) -> RunFolder:
    return create(runs, {"data": "/music/genres", "model": "small_cnn", "epochs": 3}, "music", "small_cnn", name=name)


def test_a_finished_run(tmp_path: Path) -> None:
    run = make(tmp_path, "one")
    written = write_journal(run.journal_path, whole_run())
    assert RunWatcher(run).summary().as_dict() == {
        "name": "one",
        "state": "finished",
        "path": str(run.path),
        "model": "small_cnn",
        "dataset": "music",
        "epochs_done": 3,
        "epochs": 3,
        "best_val_accuracy": pytest.approx(0.7),
        "test_accuracy": 0.75,
        "started": written[0].time,
        "seconds": pytest.approx(written[-1].time - written[0].time, abs=0.1),
        "place": 0,
        "tags": [],
        "note": "",
        "pinned": 0.0,
        "recipe": {"data": "/music/genres", "epochs": 3, "model": "small_cnn"},
        "device_name": "a CPU",
        "curve": [0.4, 0.6, 0.7],
        "difference": None,
    }


def test_a_run_that_was_only_made(tmp_path: Path) -> None:
    summary = RunWatcher(make(tmp_path, "new")).summary()
    assert (summary.state, summary.model, summary.epochs, summary.started) == ("created", "small_cnn", 3, None)


def test_it_says_the_same_as_the_whole_journal(tmp_path: Path) -> None:
    run = make(tmp_path, "one")
    write_journal(run.journal_path, [*beginning(), *epoch(1), *epoch(2)[:-2]])
    state, summary = run.state(), RunWatcher(run).summary()
    assert summary.state == state.status == "lost"
    assert summary.epochs_done == 1
    assert summary.seconds == state.seconds(0)  # up to the last event, which is one of those that are skipped


def test_the_second_look_reads_no_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make(tmp_path, "one")
    write_journal(run.journal_path, whole_run())
    first = RunWatcher(run).summary()
    monkeypatch.setattr(summary_module, "RunReader", None)
    assert RunWatcher(run).summary() == first


def test_summaries_are_saved_when_the_list_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [make(tmp_path, name) for name in ("one", "two")]
    for run in runs:
        write_journal(run.journal_path, whole_run())
    listed = RunList(tmp_path)
    first = listed.refresh(save=False)
    assert not any((run.path / CACHE).exists() for run in runs)
    listed.save()
    monkeypatch.setattr(summary_module, "RunReader", None)
    assert RunList(tmp_path).refresh() == first == listed.refresh()


def test_what_changes_is_read_again(tmp_path: Path) -> None:
    run = make(tmp_path, "one")
    watcher = RunWatcher(run)
    assert watcher.summary().state == "created"
    with RunLock(run.lock_path):
        assert watcher.summary().state == "running"
        write_journal(run.journal_path, whole_run())
        assert watcher.summary().epochs_done == 3
    assert watcher.summary().state == "finished"
    with RunLock(run.lock_path):
        write_journal(run.journal_path, [run_started(6, resumed_from=3), *epoch(4)])
        assert watcher.summary().state == "running"
        assert watcher.summary().epochs_done == 4
    assert watcher.summary().state == "lost"
    assert RunWatcher(run).summary() == watcher.summary()


def test_a_trainer_that_died_before_its_first_word_is_lost(tmp_path: Path) -> None:
    run = make(tmp_path, "one")
    watcher = RunWatcher(run)
    assert watcher.summary().state == "created"
    with RunLock(run.lock_path):
        pass
    assert watcher.summary().state == "lost"


def test_a_renamed_run_has_its_new_name(tmp_path: Path) -> None:
    run = make(tmp_path, "before")
    write_journal(run.journal_path, whole_run())
    RunWatcher(run).summary()
    renamed = run.rename("after")
    assert RunWatcher(renamed).summary().name == "after"
    assert RunWatcher(renamed).summary().path == str(renamed.path)


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"version":0}'])
def test_a_damaged_cache_is_made_anew(tmp_path: Path, content: bytes) -> None:
    run = make(tmp_path, "one")
    write_journal(run.journal_path, whole_run())
    good = RunWatcher(run).summary()
    (run.path / CACHE).write_bytes(content)
    assert RunWatcher(run).summary() == good


def test_a_thousand_runs(tmp_path: Path) -> None:
    template = make(tmp_path, "0000")
    write_journal(template.journal_path, whole_run())
    journal, recipe = template.journal_path.read_bytes(), template.recipe_path.read_bytes()
    for n in range(1, 1000):
        path = tmp_path / f"{n:04d}"
        path.mkdir()
        (path / "events.jsonl").write_bytes(journal)
        (path / "recipe.json").write_bytes(recipe)
    runs = RunList(tmp_path)
    first = runs.refresh()
    assert len(first) == 1000
    assert {summary.state for summary in first} == {"finished"}
    assert runs.refresh() == first == RunList(tmp_path).refresh()
    with RunLock(tmp_path / "0500" / "run.lock"):
        assert [s.name for s in runs.refresh() if s.state == "running"] == ["0500"]
    RunFolder(tmp_path / "0007").trash()
    assert len(runs.refresh()) == 999


def test_the_run_that_started_last_comes_first_and_one_that_never_did_before_it(tmp_path: Path) -> None:
    for name in ("b", "c", "a"):
        write_journal(make(tmp_path, name).journal_path, whole_run())
    make(tmp_path, "new")
    assert [summary.name for summary in RunList(tmp_path).refresh()] == ["new", "a", "c", "b"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written_to_is_listed_all_the_same(tmp_path: Path) -> None:
    run = make(tmp_path, "one")
    write_journal(run.journal_path, whole_run())
    run.path.chmod(0o555)
    assert RunWatcher(run).summary().state == "finished"


def test_what_differs_in_recipes_is_named_by_its_path() -> None:
    recipes: list[dict[str, Any]] = [
        {"epochs": 20, "seed": 0, "optimiser": {"name": "adam", "learning_rate": 1e-3}},
        {"epochs": 20, "seed": 1, "optimiser": {"name": "adam", "learning_rate": 1.5e-4}, "crop_seconds": None},
        {"epochs": 20, "seed": 0, "optimiser": {"name": "adam", "learning_rate": 1e-3}, "crop_seconds": 6.0},
    ]
    assert differences([flat(recipe) for recipe in recipes]) == [
        ("seed", ["0", "1", "0"]),
        ("optimiser.learning_rate", ["0.001", "1.5e-4", "0.001"]),
        ("crop_seconds", ["–", "–", "6"]),
    ]
    assert differences([flat(recipes[0])] * 2) == []


def test_changes_leave_out_what_the_other_recipe_does_not_have() -> None:
    before = flat({"epochs": 20, "optimiser": {"learning_rate": 3e-3}})
    now = flat({"epochs": 60, "optimiser": {"learning_rate": 3e-3}, "added_later": 1})
    assert changes(now, before) == [("epochs", "20", "60")]


def test_a_flat_recipe_can_be_stored_whatever_it_holds() -> None:
    """Names that are not UTF-8, numbers that JSON does not have, and lists."""
    odd = {"data": Path("/music/\udcff\x1b"), "rate": nan, "large": 2**80, "list": [1, "a", None], "none": None}
    fields = flat(odd)
    assert json.loads(json.dumps(fields, allow_nan=False)) == fields
    assert fields["data"] == "/music/\\xff\\x1b"
    assert fields["list"] == "1, a, –"
