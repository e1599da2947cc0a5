"""The queue for a device, with trainer processes whose training is a stand-in."""

import contextlib
import os
import signal
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from core.runs import actions, queue
from core.runs.directory import create
from core.runs.folder import RunFolder
from core.runs.journal import events as ev
from core.runs.journal.journal import JournalReader
from core.runs.launch import launch
from core.runs.lock import RunLock, holder
from core.runs.queue import HeldTicket, Place
from core.util.errors import UserError
from tests.support.waiting import wait_until

MODULE = "tests.support.light_trainer"


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("SECONDS", "0.05")


@pytest.fixture
def started() -> Iterator[list[RunFolder]]:
    """Runs whose trainers are killed when the test is over, if they still live."""
    runs: list[RunFolder] = []
    yield runs
    for run in runs:
        if run.is_alive():
            kill(run)


def new_run(
    folder: Path, started: list[RunFolder], device: str = "cpu", *, queue: bool = True, processes: int = 1
) -> RunFolder:
    recipe = {"data": "/music", "model": "small_cnn", "preset": "quick", "epochs": 3, "device": device}
    recipe["processes"] = processes
    run = create(folder / "runs", recipe, "music", "quick")
    launch(run, module=MODULE, queue=queue)
    started.append(run)
    return run


def kill(run: RunFolder) -> None:
    signed = holder(run.lock_path)
    assert signed is not None
    with contextlib.suppress(ProcessLookupError):
        os.kill(signed.pid, signal.SIGKILL)
    wait_until(lambda: not run.is_alive(), "it is dead", 20)


def wait_for_status(run: RunFolder, status: str) -> None:
    wait_until(lambda: run.state().status == status, f"{run.name} is {status}, not {run.state().status}", 60)


def wait_for_place(run: RunFolder, place: int) -> None:
    wait_until(lambda: run.state().place == place, f"{run.name} has place {place}", 60)


def spans(runs: list[RunFolder]) -> list[tuple[float, float]]:
    """When each run was trained, from its journal."""
    found = []
    for run in runs:
        events = JournalReader(run.journal_path).read()
        found += [(event.time, events[-1].time) for event in events if isinstance(event, ev.RunStarted)]
    return found


def tickets() -> list[str]:
    return [path.name for path in queue.queue_folder().glob("*") if path.name != "mutex"]


def test_ten_trainers_of_which_three_are_killed_train_one_after_the_other_in_order(
    tmp_path: Path, started: list[RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECONDS", "60")
    first = new_run(tmp_path, started)
    wait_for_status(first, "running")
    monkeypatch.setenv("SECONDS", "0.05")
    runs = [first, *(new_run(tmp_path, started) for _ in range(9))]
    for place, run in enumerate(runs[1:], 1):
        wait_for_place(run, place)
        assert run.state().status == "queued"
    kill(runs[5])
    wait_for_place(runs[9], 8)
    kill(runs[1])  # the next in line
    kill(runs[0])  # the one that trains
    left = [run for number, run in enumerate(runs) if number not in (0, 1, 5)]
    for run in left:
        wait_for_status(run, "finished")
    assert [(runs[n].state().status, runs[n].state().place) for n in (0, 1, 5)] == [("lost", 0)] * 3
    times = spans(left)
    assert len(times) == len(left)
    assert all(end <= begin for (_, end), (begin, _) in pairwise(times)), times
    assert HeldTicket.take(["cpu"], running=False).place() is None  # what the dead left behind is gone
    assert len(tickets()) == 2


def test_two_devices_train_two_at_a_time(
    tmp_path: Path, started: list[RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECONDS", "60")
    runs = [new_run(tmp_path, started, f"simulated:{device}") for device in (0, 1)]
    monkeypatch.setenv("SECONDS", "0.05")
    runs += [new_run(tmp_path, started, f"simulated:{number % 2}") for number in range(4)]
    for run, place in zip(runs[2:], (1, 1, 2, 2), strict=True):
        wait_for_place(run, place)
    assert [run.state().status for run in runs[:2]] == ["running"] * 2
    for run in runs[:2]:
        actions.ask(run, "stop")
    for run in runs[2:]:
        wait_for_status(run, "finished")
    for device in (0, 1):
        times = spans(runs[device::2])
        assert len(times) == 3
        assert all(end <= begin for (_, end), (begin, _) in pairwise(times)), times
    wait_until(lambda: tickets() == [], "no ticket is left")


def test_a_device_of_its_own_is_not_waited_for(tmp_path: Path, started: list[RunFolder]) -> None:
    with contextlib.closing(Closing(HeldTicket.take(["simulated:0"], running=True))):
        other = new_run(tmp_path, started, "simulated:1")
        wait_for_status(other, "finished")


def test_a_run_that_was_not_queued_is_waited_for_and_waits_for_nobody(
    tmp_path: Path, started: list[RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECONDS", "60")
    direct = new_run(tmp_path, started, queue=False)
    wait_for_status(direct, "running")
    wait_until(lambda: len(tickets()) == 2, "it has a ticket")
    queued = new_run(tmp_path, started)
    wait_for_place(queued, 1)
    second = new_run(tmp_path, started, queue=False)
    wait_until(lambda: second.state().phase == "scanning", "it starts")
    kill(second)
    assert queued.state().status == "queued"
    actions.ask(direct, "stop")
    wait_until(lambda: queued.state().phase == "scanning", "it is its turn")


def test_a_queued_run_is_moved_and_cancelled_but_not_paused(tmp_path: Path, started: list[RunFolder]) -> None:
    with contextlib.closing(Closing(HeldTicket.take(["cpu"], running=True))):
        runs = [new_run(tmp_path, started) for _ in range(4)]
        wait_for_place(runs[3], 4)
        assert queue.move(runs[3], 1) == Place(1)
        for run, place in zip(runs, (2, 3, 4, 1), strict=True):
            wait_for_place(run, place)
        queue.move(runs[3], 3)
        queue.move(runs[0], 4)
        for run, place in zip(runs, (4, 1, 3, 2), strict=True):
            wait_for_place(run, place)
        for place in (0, 5, -1):
            with pytest.raises(UserError, match=f"can be moved to place 1 to 4 in the queue, not {place}"):
                queue.move(runs[0], place)
        answer = actions.ask(runs[1], "pause")
        assert (answer.accepted, answer.message[:17]) == (False, "the run is queued")
        assert actions.ask(runs[1], "stop").accepted
        wait_for_status(runs[1], "stopped")
        assert "cancelled while it was queued" in runs[1].state().end_message
        with pytest.raises(UserError, match="is stopped: only runs that are queued here can be moved"):
            queue.move(runs[1], 1)
    for run in (runs[3], runs[2], runs[0]):
        wait_for_status(run, "finished")
    times = spans([runs[3], runs[2], runs[0]])
    assert all(end <= begin for (_, end), (begin, _) in pairwise(times)), times
    with pytest.raises(UserError, match="is finished: only runs that are queued"):
        queue.move(runs[0], 1)


@pytest.mark.slow
def test_a_queued_run_of_two_processes_waits_in_one_and_then_trains_in_both(
    tmp_path: Path, started: list[RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECONDS", "60")
    with contextlib.closing(Closing(HeldTicket.take(["simulated:0"], running=True))):
        run = new_run(tmp_path, started, "simulated:0", processes=2)
        wait_for_place(run, 1)
        waiting = holder(run.lock_path)
        behind = new_run(tmp_path, started, "simulated:0")
        wait_for_place(behind, 2)
    wait_for_status(run, "running")
    trains = holder(run.lock_path)
    assert waiting is not None and trains is not None
    assert trains.pid == waiting.pid, "the process that waited is torchrun now"
    assert len(psutil.Process(trains.pid).children()) == 2
    wait_for_place(behind, 1)
    actions.ask(run, "stop")
    wait_for_status(run, "stopped")
    actions.ask(behind, "stop")
    wait_until(lambda: not run.is_alive() and not behind.is_alive(), "both have ended", 30)
    assert HeldTicket.take(["simulated:0"], running=False).place() is None


def test_a_run_that_waited_for_memory_starts_when_there_is_enough() -> None:
    ticket = HeldTicket.take(["cuda:0"], running=False)
    assert ticket.place(lambda: "little memory") == Place(1, "little memory")
    assert ticket.place() is None
    ticket.release()
    assert tickets() == []


def test_damaged_tickets_block_nobody() -> None:
    first = HeldTicket.take(["cpu"], running=False)
    folder = queue.queue_folder()
    (folder / "x.lock").write_text("nobody")
    (folder / "y.lock").mkdir()
    (folder / "z.json").write_text("{")
    with RunLock(folder / "w.lock"):
        assert first.place() is None
    first.release()


def test_a_state_folder_that_cannot_be_used_is_one_sentence_and_only_for_the_queue(
    tmp_path: Path, started: list[RunFolder]
) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(UserError, match=r"the queue in .* cannot be used: Not a directory"):
        new_run(tmp_path, started)
    run = new_run(tmp_path, started, queue=False)
    wait_for_status(run, "finished")


class Closing:
    """A held ticket that ends with a block."""

    def __init__(self, ticket: HeldTicket) -> None:
        self._ticket = ticket

    def close(self) -> None:
        self._ticket.release()
