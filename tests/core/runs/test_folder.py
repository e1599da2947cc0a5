from pathlib import Path

import pytest

from core.runs import folder
from core.runs.directory import create, find, list_runs
from core.runs.folder import RunFolder, RunReader, dataset_name
from core.runs.journal import events as ev
from core.runs.journal.journal import Journal
from core.runs.lock import RunLock
from core.util.errors import UserError
from tests.support.event_sequences import beginning, whole_run, write_journal

RECIPE = {"data": "/music/genres", "model": "seed_cnn", "epochs": 20}


def make(runs: Path, name: str | None = None) -> RunFolder:
    return create(runs, RECIPE, "gtzan mini!", "quick", name=name)


def test_a_new_run_is_named_after_dataset_and_kind_and_holds_its_recipe(tmp_path: Path) -> None:
    run = make(tmp_path / "runs")
    assert run.name == "gtzan-mini-quick-1"
    assert run.read_recipe() == RECIPE
    assert [path.name for path in run.path.iterdir()] == ["recipe.json"]
    state = run.state()
    assert (state.status, state.name, state.model, state.dataset, state.epochs) == (
        "created",
        run.name,
        "seed_cnn",
        "music",
        20,
    )


def test_numbers_go_on_and_one_that_was_deleted_is_not_given_again(tmp_path: Path) -> None:
    runs = [make(tmp_path) for _ in range(10)]
    assert [run.name for run in runs] == [f"gtzan-mini-quick-{number}" for number in range(1, 11)]
    runs[-1].trash()
    assert make(tmp_path).name == "gtzan-mini-quick-11"
    make(tmp_path, "gtzan-mini-quick-best")
    make(tmp_path, "gtzan-mini-quick-40")
    assert make(tmp_path).name == "gtzan-mini-quick-41"


def test_a_dataset_of_a_long_name_gives_a_short_one(tmp_path: Path) -> None:
    assert len(create(tmp_path, RECIPE, "x" * 300, "quick").name) < 60


def test_the_newest_run_is_the_one_that_started_last(tmp_path: Path) -> None:
    old, new = make(tmp_path, "b"), make(tmp_path, "a")
    write_journal(old.journal_path, beginning())
    write_journal(new.journal_path, [ev.Warned(message="first"), *beginning()])
    with old.journal_path.open("ab") as journal:
        journal.write(b"damaged\n")
    old.trainer_log_path.touch()
    assert [run.name for run in list_runs(tmp_path)] == ["a", "b"]
    assert find(tmp_path) == new


def test_a_chosen_name_is_taken_once(tmp_path: Path) -> None:
    assert make(tmp_path, "first try").name == "first try"
    with pytest.raises(UserError, match="already a run called first try"):
        make(tmp_path, "first try")
    assert [path.name for path in tmp_path.iterdir()] == ["first try"]


@pytest.mark.parametrize(
    "name", ["", " ", ".hidden", "a/b", "../up", "-x", "a\nb", "x" * 300], ids=lambda name: name[:10]
)
def test_a_name_that_is_not_a_file_name_is_refused(tmp_path: Path, name: str) -> None:
    run = make(tmp_path, "good")
    with pytest.raises(UserError, match="cannot be a run's name"):
        run.rename(name)


def test_a_folder_that_cannot_be_made_is_the_users_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="no run can be made"):
        make(tmp_path / "file")


def test_find_takes_a_folder_a_name_and_a_unique_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = tmp_path / "runs"
    one, two = make(runs, "2026-01_one"), make(runs, "2026-02_two")
    assert find(runs, one.path) == one
    monkeypatch.chdir(runs)
    assert find(Path("elsewhere"), "2026-01_one") == one
    monkeypatch.chdir(tmp_path)
    assert find(runs, "2026-02_two") == two
    assert find(runs, "2026-01") == one
    with pytest.raises(UserError, match="2 runs begin with '2026'"):
        find(runs, "2026")
    with pytest.raises(UserError, match=r"no run in .* is called '2027'"):
        find(runs, "2027")


def test_a_name_that_is_another_ones_beginning_is_found(tmp_path: Path) -> None:
    short, _long = make(tmp_path, "try"), make(tmp_path, "try-2")
    assert find(tmp_path, "try") == short


def test_without_a_run_there_is_no_newest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))  # without registered runs of other tests
    with pytest.raises(UserError, match="holds no runs"):
        find(tmp_path / "none")


def test_what_is_not_a_run_is_not_listed(tmp_path: Path) -> None:
    run = make(tmp_path, "run")
    (tmp_path / "notes").mkdir()
    (tmp_path / "file").touch()
    make(tmp_path, "gone").trash()
    assert list_runs(tmp_path) == [run]
    assert list_runs(tmp_path / "absent") == []


def test_renaming_and_deleting_keep_everything(tmp_path: Path) -> None:
    run = make(tmp_path, "before")
    write_journal(run.journal_path, whole_run())
    renamed = run.rename("after")
    assert renamed.state().status == "finished"
    assert renamed.state().name == "after"
    with pytest.raises(UserError, match="already a run called after"):
        make(tmp_path, "other").rename("after")
    bin_ = renamed.trash()
    assert bin_ == tmp_path / ".trash" / "after"
    assert make(tmp_path, "after").trash().name == "after-2"
    assert RunFolder(bin_).state().status == "finished"


def test_a_running_run_is_neither_renamed_nor_deleted(tmp_path: Path) -> None:
    run = make(tmp_path, "busy")
    with RunLock(run.lock_path):
        with pytest.raises(UserError, match="is running and cannot be renamed"):
            run.rename("other")
        with pytest.raises(UserError, match="is running and cannot be deleted"):
            run.trash()
    assert run.rename("other").exists()


def test_status_from_the_lock_and_the_journal(tmp_path: Path) -> None:
    run = make(tmp_path)
    with RunLock(run.lock_path):
        assert run.state().status == "running"
        assert run.state().phase == "starting"
        write_journal(run.journal_path, beginning())
        assert run.state().status == "running"
    assert run.state().status == "lost"
    write_journal(run.journal_path, whole_run())
    assert run.state().status == "finished"
    with RunLock(run.lock_path):
        assert run.state().status == "running"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff"])
def test_a_damaged_recipe_is_named(tmp_path: Path, content: bytes) -> None:
    run = make(tmp_path)
    run.recipe_path.write_bytes(content)
    with pytest.raises(UserError, match=r"recipe\.json is damaged"):
        run.read_recipe()
    assert run.state().status == "created"


@pytest.mark.parametrize(
    ("data", "name"), [("/a/gtzan/genres", "gtzan"), ("/a/music/", "music"), ("/genres", "genres")]
)
def test_what_a_dataset_is_called(data: str, name: str) -> None:
    assert dataset_name(Path(data)) == name


def test_a_viewer_sees_each_change_once_and_the_same_as_one_that_comes_late(tmp_path: Path) -> None:
    run = create(tmp_path, {"data": "/x", "model": "m", "epochs": 3}, "x", "m")
    tail = RunReader(run)
    assert tail.poll()
    created = tail.state
    assert created.status == "created"
    assert not tail.poll()
    with RunLock(run.lock_path):
        assert tail.poll()
        begun = tail.state
        assert begun.status == "running"
        journal = Journal(run.journal_path)
        for event in whole_run():
            journal.write(event)
            assert tail.poll()
            assert not tail.poll()
            assert tail.state.as_dict(0.0) == run.state().as_dict(0.0)
        assert tail.state.status == "finished"
    assert tail.poll()  # the trainer has left
    assert tail.state.status == "finished"


def test_a_trainer_that_dies_without_a_word_is_noticed(tmp_path: Path) -> None:
    run = create(tmp_path, {}, "x", "m")
    tail = RunReader(run)
    with RunLock(run.lock_path):
        journal = Journal(run.journal_path)
        for event in beginning():
            journal.write(event)
        tail.poll()
        seen = [tail.state.status]
    assert tail.poll()
    assert [*seen, tail.state.status] == ["running", "lost"]


def test_a_first_look_at_a_long_journal_lacks_only_the_curves_over_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = create(tmp_path, {}, "x", "m")
    journal = Journal(run.journal_path)
    for event in whole_run():
        journal.write(event)
    assert RunReader(run).first_look() is None  # it is short
    monkeypatch.setattr(folder, "WORTHWHILE", 1)
    look, reader = RunReader(run).first_look(), RunReader(run)
    assert look is not None
    reader.poll()
    assert list(look.history.column("val_loss")) == list(reader.state.history.column("val_loss"))
    assert (look.status, look.validation, look.test) == ("finished", reader.state.validation, reader.state.test)
    assert reader.first_look() is None
    assert RunReader(run).first_look() is None  # the snapshot is there


def test_a_cancelled_reader_leaves_the_rest_of_a_long_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = create(tmp_path, {}, "x", "m")
    journal = Journal(run.journal_path)
    events = whole_run() * 40
    for event in events:
        journal.write(event)
    monkeypatch.setattr(folder, "PIECE", 1)
    seen: list[object] = []

    def see(event: object) -> None:
        seen.append(event)
        reader.cancel()

    reader = RunReader(run, on_event=see)
    reader.poll()
    assert 0 < len(seen) < len(events) / 2
    reader.poll()
    assert len(seen) < len(events) / 2
