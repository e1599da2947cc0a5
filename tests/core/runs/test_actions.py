"""What can be done to a run, by whatever command or screen."""

from pathlib import Path
from typing import Any

import pytest

from core.runs import actions, control
from core.runs.directory import create, list_runs
from core.runs.folder import RunFolder
from core.runs.journal import events as ev
from core.runs.lock import RunLock
from core.runs.notices import Webhook
from core.util.errors import UserError
from tests.support.event_sequences import beginning, epoch, write_journal

RECIPE: dict[str, Any] = {"data": "/music", "model": "small_cnn", "epochs": 20}


def run_with(folder: Path, *events: ev.Event) -> RunFolder:
    run = create(folder, RECIPE, "music", "small_cnn", name="alpha")
    write_journal(run.journal_path, [*beginning(20), *epoch(1), *events])
    return run


def test_nothing_but_a_stop_replaces_an_unanswered_stop(tmp_path: Path) -> None:
    run = run_with(tmp_path)
    with RunLock(run.lock_path):
        stop = actions.send_request(run, "stop", run.state())
        with pytest.raises(UserError, match="was asked to stop and has not answered yet"):
            actions.send_request(run, "pause", run.state())
        pending = control.read_request(run.path)
        assert pending is not None and pending.id == stop
        again = actions.send_request(run, "stop", run.state())
        write_journal(run.journal_path, [ev.RequestAnswered(request="stop", id=again, accepted=True, message="")])
        actions.send_request(run, "pause", run.state())  # it was answered


@pytest.mark.parametrize("end", [ev.RunStopped(seconds=1.0, message=""), ev.Warned(message="")])
def test_extend_refuses_a_total_below_what_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: ev.Event
) -> None:
    monkeypatch.setattr(actions, "launch", lambda run, **_: pytest.fail("it was started"))
    run = run_with(tmp_path, end)
    with pytest.raises(actions.InvalidEpochs, match="is to train 20 epochs"):
        actions.extend(run, 10)
    assert run.read_recipe()["epochs"] == 20


def test_an_extension_that_cannot_start_changes_no_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(run: RunFolder, **_: object) -> int:
        raise UserError("not now")

    monkeypatch.setattr(actions, "launch", refuse)
    run = run_with(tmp_path, ev.RunStopped(seconds=1.0, message=""))
    with pytest.raises(UserError, match="not now"):
        actions.extend(run, 30)
    assert run.read_recipe() == RECIPE


def test_a_run_that_cannot_be_started_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(run: RunFolder, **_: object) -> int:
        assert run.exists()
        raise UserError("no room")

    monkeypatch.setattr(actions, "launch", refuse)
    with pytest.raises(UserError, match="no room"):
        actions.start(tmp_path / "runs", RECIPE, "music")
    assert list((tmp_path / "runs").iterdir()) == []


@pytest.mark.parametrize(
    "url", ["example.org", "ftp://example.org", "http://", "http://[", "https://a b", "http://a:x"]
)
def test_a_wrong_webhook_is_refused_before_a_folder_is_made(tmp_path: Path, url: str) -> None:
    with pytest.raises(UserError, match="is not an http or https address"):
        actions.start(tmp_path / "runs", RECIPE, "music", webhook=Webhook(url))
    assert not (tmp_path / "runs").exists()


def test_a_prepared_run_is_not_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions, "launch", lambda run, **_: pytest.fail("it was started"))
    run = actions.start(tmp_path, RECIPE, "music", webhook=Webhook("https://example.org/a"), prepare_only=True)
    assert run.state().status == "created"


def test_a_runs_folder_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(UserError, match="cannot be read: Not a directory"):
        list_runs(tmp_path / "runs")


@pytest.mark.parametrize("content", [b"", b"{", b'{"request":"stop"}', b"[" * 100_000, b"x" * 200_000, b"\xff"])
def test_a_control_file_that_is_not_a_request_is_ignored(tmp_path: Path, content: bytes) -> None:
    (tmp_path / control.CONTROL).write_bytes(content)
    assert control.read_request(tmp_path) is None
    assert control.ControlReader(tmp_path).poll() is None
