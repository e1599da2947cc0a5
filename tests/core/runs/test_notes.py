from pathlib import Path

import pytest

from core.runs import actions
from core.runs.directory import create, register, registered
from core.runs.folder import RunFolder
from core.runs.notes import FILE, Notes, change_tags, pin, read_notes, set_note, unpin
from core.runs.summary import RunWatcher
from core.util.errors import UserError


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return create(tmp_path / "runs", {"data": "/music", "model": "small_cnn"}, "music", "quick")


def test_notes_and_tags_are_kept_with_the_run_and_shown_at_once(run: RunFolder) -> None:
    watcher = RunWatcher(run)
    assert (watcher.summary().tags, watcher.summary().note) == ([], "")
    set_note(run, " half the rate\nand twice the batch ")
    assert change_tags(run, ["paper", "mixup", "paper"], []) == ["mixup", "paper"]
    assert change_tags(run, [], ["mixup"]) == ["paper"]
    assert (watcher.summary().tags, watcher.summary().note) == (["paper"], "half the rate\nand twice the batch")
    renamed = actions.rename(run, "other")
    assert read_notes(renamed).tags == ["paper"]
    assert RunWatcher(renamed).summary().note.startswith("half")


@pytest.mark.parametrize("tag", ["", "a b", "a,b", "-x", "a\x1b[31mb", "a\nb", "\u202eb", "x" * 41])
def test_what_is_not_a_tag_is_refused(run: RunFolder, tag: str) -> None:
    with pytest.raises(UserError, match="cannot be a tag"):
        change_tags(run, ["good", tag], [])
    assert read_notes(run) == Notes()


def test_a_note_with_control_characters_is_refused(run: RunFolder) -> None:
    with pytest.raises(UserError, match="control characters"):
        set_note(run, "a\x1b]0;title\x07")
    with pytest.raises(UserError, match="at most 10,000"):
        set_note(run, "x" * 10_001)
    with pytest.raises(UserError, match="has no tag 'x'"):
        change_tags(run, [], ["x"])


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff", b'{"tags":3}'])
def test_damaged_notes_are_empty_ones(run: RunFolder, content: bytes) -> None:
    (run.path / FILE).write_bytes(content)
    assert read_notes(run) == Notes()
    assert RunWatcher(run).summary().tags == []


def test_the_run_pinned_last_is_the_baseline(run: RunFolder) -> None:
    other = create(run.path.parent, {"data": "/music", "model": "small_cnn"}, "music", "quick")
    pin(run)
    pin(other)
    assert 0 < read_notes(run).pinned < read_notes(other).pinned
    unpin(other)
    assert read_notes(other).pinned == 0


def test_what_is_deleted_comes_back(run: RunFolder) -> None:
    run.lock_path.touch()
    register(run)
    run.trash()
    assert run not in registered()
    with pytest.raises(UserError, match=r"no run in the trash of .* is called 'nope'"):
        actions.restore(run.path.parent, "nope")
    with pytest.raises(UserError, match="cannot be a run's name"):
        actions.restore(run.path.parent, "../up")
    assert actions.restore(run.path.parent, run.name) == run
    assert run in registered()
    run.trash()
    create(run.path.parent, {"data": "/music", "model": "small_cnn"}, "music", "quick", name=run.name)
    with pytest.raises(UserError, match="already a run called"):
        actions.restore(run.path.parent, run.name)
