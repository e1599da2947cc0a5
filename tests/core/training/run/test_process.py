"""The trainer as a process: killed in the middle, asked and signalled, and still every run ends well."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from core.runs.control import request, wait_for_answer
from core.runs.folder import RunFolder
from core.runs.journal import events as ev
from core.runs.launch import launch
from tests.support import trainer_runs as lives
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

LONG = 10_000
"""Epochs that no test waits for."""


@pytest.fixture
def started() -> Iterator[list[int]]:
    """Process ids of trainers; those that live at the end of a test are killed."""
    pids: list[int] = []
    yield pids
    for pid in pids:
        if psutil.pid_exists(pid):
            os.kill(pid, signal.SIGKILL)


def wait_until_dead(run: RunFolder, pid: int) -> None:
    wait_until(lambda: not run.is_alive() and not _runs(pid), "the end of the trainer", seconds=120)


def _runs(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def in_epoch(epoch: int, event: ev.AnyEvent) -> bool:
    return isinstance(event, ev.BatchProgress) and event.epoch >= epoch


def test_killed_in_the_middle_of_an_epoch(collection: Path, tmp_path: Path, started: list[int]) -> None:
    # Enough crops for an epoch that is long enough to be killed in the middle of.
    changes = lives.EVERYTHING | {"epochs": 2, "crops_per_clip": 12}
    whole = lives.new_run(tmp_path, collection, **changes)
    started.append(pid := launch(whole))
    wait_until_dead(whole, pid)
    killed = lives.new_run(tmp_path, collection, **changes)
    started.append(pid := launch(killed))
    lives.wait_for(killed, lambda event: in_epoch(2, event), "the second epoch")
    os.kill(pid, signal.SIGKILL)
    wait_until_dead(killed, pid)
    assert killed.state().status == "lost"
    assert len(killed.state().history) == 1
    started.append(pid := launch(killed))
    wait_until_dead(killed, pid)
    assert killed.state().status == "finished"
    lives.assert_same_training(whole, killed)


def test_killed_in_the_middle_of_saves(collection: Path, tmp_path: Path, started: list[int]) -> None:
    """Dies in a save, is resumed, dies in the next: the checkpoint is whole, and the end is the same."""
    changes = {"model": "seed_cnn", "epochs": 4, "test_crops": 1}
    whole = lives.new_run(tmp_path, collection, **changes)
    started.append(pid := launch(whole))
    wait_until_dead(whole, pid)
    killed = lives.new_run(tmp_path, collection, **changes)
    deaths = 0
    for _ in range(2):
        started.append(pid := launch(killed))
        if kill_in_a_save(killed, pid):
            deaths += 1
            if killed.last_path.exists():
                assert lives.load(killed.last_path)["place"]["epoch"] >= 0
            if killed.best_model_path.exists():
                assert lives.load(killed.best_model_path)["format"] == 1
    assert deaths > 0
    started.append(pid := launch(killed))
    wait_until_dead(killed, pid)
    assert killed.state().status == "finished"
    assert not unfinished_files(killed)
    lives.assert_same_training(whole, killed)


def unfinished_files(run: RunFolder) -> list[Path]:
    return [path for path in run.path.glob(".*.pth") if path.name.startswith((".last-", ".best_model-"))]


def kill_in_a_save(run: RunFolder, pid: int) -> bool:
    """Watches for a checkpoint that is being written and kills its writer there; False when the run ended first."""
    before = set(unfinished_files(run))
    while _runs(pid):
        begun = set(unfinished_files(run)) - before
        if any(path.exists() and path.stat().st_size for path in begun):
            os.kill(pid, signal.SIGKILL)
            wait_until_dead(run, pid)
            return bool(unfinished_files(run))
    return False


def test_pause_extend_resume_and_stop_are_answered(collection: Path, tmp_path: Path, started: list[int]) -> None:
    run = lives.new_run(tmp_path, collection, epochs=LONG)
    started.append(pid := launch(run))
    lives.wait_for(run, lambda event: in_epoch(1, event), "the first batch")

    answer = wait_for_answer(run.path, request(run.path, "pause"))
    assert answer is not None and answer.accepted
    assert run.state().status == "paused"
    done = [event for event in lives.events(run) if isinstance(event, ev.BatchProgress)][-1]
    # A save from before the pause may still be under way.
    wait_until(
        lambda: run.last_path.exists() and lives.load(run.last_path)["place"]["step"] >= done.step, "the pause's save"
    )
    again = wait_for_answer(run.path, request(run.path, "pause"))
    assert again is not None and not again.accepted

    answer = wait_for_answer(run.path, request(run.path, "extend", epochs=LONG + 5))
    assert answer is not None and answer.accepted and answer.epochs == LONG + 5
    refused = wait_for_answer(run.path, request(run.path, "extend", epochs=3))
    assert refused is not None and not refused.accepted
    # Nothing was trained in the meantime.
    assert [event for event in lives.events(run) if isinstance(event, ev.BatchProgress)][-1] == done

    answer = wait_for_answer(run.path, request(run.path, "resume"))
    assert answer is not None and answer.accepted
    lives.wait_for(run, lambda event: in_epoch(done.epoch + 1, event), "a further epoch")
    answer = wait_for_answer(run.path, request(run.path, "stop"))
    assert answer is not None and answer.accepted
    wait_until_dead(run, pid)
    state = run.state()
    assert state.status == "stopped" and state.test is not None and state.epochs == LONG + 5
    assert run.report_json_path.exists() and (run.plots_path / "loss_curves.png").exists()


def test_sigterm_stops_with_test_and_report(collection: Path, tmp_path: Path, started: list[int]) -> None:
    run = lives.new_run(tmp_path, collection, epochs=LONG)
    started.append(pid := launch(run))
    lives.wait_for(run, lambda event: in_epoch(2, event), "the second epoch")
    os.kill(pid, signal.SIGTERM)
    wait_until_dead(run, pid)
    state = run.state()
    assert state.status == "stopped" and state.test is not None
    assert [(answer.request, answer.id) for answer in state.answers.values()] == [("stop", "SIGTERM")]


def test_a_second_signal_ends_at_once(collection: Path, tmp_path: Path, started: list[int]) -> None:
    run = lives.new_run(tmp_path, collection, epochs=LONG)
    started.append(pid := launch(run))
    lives.wait_for(run, lambda event: in_epoch(2, event), "the second epoch")
    os.kill(pid, signal.SIGINT)
    os.kill(pid, signal.SIGTERM)
    wait_until_dead(run, pid)
    state = run.state()
    assert state.status == "stopped" and "immediately" in state.end_message
    assert state.test is None and not run.report_json_path.exists()
    started.append(pid := launch(run))
    reached = len(state.history) + 1
    lives.wait_for(run, lambda event: in_epoch(reached, event), "the resumed run")
    os.kill(pid, signal.SIGKILL)


def test_stop_before_training(collection: Path, tmp_path: Path, started: list[int]) -> None:
    """A stop that was asked for while torch still loads."""
    run = lives.new_run(tmp_path, collection, epochs=LONG)
    started.append(pid := launch(run))
    request(run.path, "stop")
    wait_until_dead(run, pid)
    assert run.state().status == "stopped"
    assert [answer.accepted for answer in run.state().answers.values()] == [True]


def test_the_first_event_is_out_before_torch_is_there(collection: Path, tmp_path: Path) -> None:
    """A CPU run that has no data at all still tells that it has started, and then what is wrong."""
    run = lives.new_run(tmp_path, tmp_path / "nothing")
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, core.training.__main__; print('torch' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert loaded.stdout.strip() == "False"
    pid = launch(run)
    wait_until_dead(run, pid)
    started, failed = lives.events(run)
    assert isinstance(started, ev.RunStarted) and isinstance(failed, ev.RunFailed)
    assert "no folder" in failed.error and failed.traceback == ""
