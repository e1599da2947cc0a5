from pathlib import Path

import pytest

from core.runs import folder
from core.runs.directory import create
from core.runs.folder import RunReader
from core.runs.journal.journal import Journal
from core.runs.lock import RunLock
from tests.support.event_sequences import beginning, whole_run


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
