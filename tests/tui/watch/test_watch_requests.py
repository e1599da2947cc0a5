"""Pause, resume, stop and extend from the Watch screen, answered by a process that holds the run."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.runs import control
from core.runs.folder import RunFolder, RunReader
from core.runs.journal.events import RunFinished
from core.runs.lock import RunLock
from tests.support import example_run as made_up_run
from tests.support.paths import ROOT
from tests.support.pilot import text, until, until_gone, until_shown
from tests.support.waiting import wait_until
from tui.app import GenreApp

SIZE = (120, 40)
Start = Callable[..., Path]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts an acting trainer and gives its run's folder when training has begun."""
    processes = []

    def started(acting: str = "", seconds: float = 0.5) -> Path:
        folder = tmp_path / "runs" / "alpha"
        folder.mkdir(parents=True)
        command = [sys.executable, "-m", "tests.support.fake_trainer", str(folder), str(seconds)]
        processes.append(subprocess.Popen(command, cwd=ROOT, env=os.environ | {"ACTING": acting}))
        tail = RunReader(RunFolder(folder))
        wait_until(lambda: tail.poll() and tail.state.history, "the first epoch")
        return folder

    yield started
    for process in processes:
        process.kill()
        process.wait()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trainer counts as deaf sooner than a person would think so."""
    monkeypatch.setattr(control, "ANSWER_SECONDS", 0.3)


def app_on(run: Path) -> GenreApp:
    return GenreApp(run.parent, watch=run)


async def test_pause_and_resume_are_acknowledged(start: Start) -> None:
    async with app_on(start()).run_test(size=SIZE) as pilot:
        await until_shown(pilot, "● running", "p pause")
        await pilot.press("p")
        await until_shown(pilot, "✓ pause: paused", "◆ paused", "r resume")
        await pilot.press("p")
        await until_shown(pilot, "✓ resume: goes on", "● running", "p pause")


async def test_stop_keeps_the_model_and_is_acknowledged(start: Start) -> None:
    async with app_on(start()).run_test(size=SIZE) as pilot:
        await until_shown(pilot, "● running")
        await pilot.press("s")
        await until_shown(pilot, "Stop alpha?", "the best model is kept")
        await pilot.press("n")
        await until_gone(pilot, "Stop alpha?")
        assert "● running" in text(pilot)
        await pilot.press("s", "y")
        await until_shown(pilot, "✓ stop: stopping", "■ stopped", "test 78.0%")
        await until_gone(pilot, "s stop")


async def test_extend_asks_how_far_and_is_acknowledged(start: Start) -> None:
    async with app_on(start()).run_test(size=SIZE) as pilot:
        await until_shown(pilot, "/20")
        await pilot.press("e")
        await until_shown(pilot, "of 20 epochs done. Train for how many in total?")
        await pilot.press(*["backspace"] * 3, "x", "enter")
        await until_shown(pilot, "epochs must be a number")
        await pilot.press("backspace", *"+12", "enter")
        await until_shown(pilot, "✓ extend: extended", "/32")


@pytest.mark.usefixtures("impatient")
async def test_a_deaf_trainer_is_offered_sigterm(start: Start) -> None:
    async with app_on(start("deaf")).run_test(size=SIZE) as pilot:
        await until_shown(pilot, "● running")
        assert "K kill" not in text(pilot)
        await pilot.press("p")
        await until_shown(pilot, "! pause: no answer after", "K offers SIGTERM", "K kill")
        await pilot.press("K")
        await until_shown(pilot, "Send SIGTERM to the trainer of alpha?", "y send SIGTERM")
        await pilot.press("n")
        await until_gone(pilot, "y send SIGTERM")
        assert "● running" in text(pilot)
        await pilot.press("K", "y")
        await until_shown(pilot, "■ stopped", "! pause: the trainer ended without answering.")


@pytest.mark.usefixtures("impatient")
async def test_one_that_ignores_sigterm_too_is_offered_sigkill(start: Start) -> None:
    async with app_on(start("deaf stubborn")).run_test(size=SIZE) as pilot:
        await until_shown(pilot, "● running")
        await pilot.press("s", "y")
        await until_shown(pilot, "K offers SIGTERM")
        await pilot.press("K", "y")
        await until_shown(pilot, "SIGTERM sent, but the trainer is still alive", "K offers SIGKILL")
        await pilot.press("K")
        await until_shown(pilot, "Send SIGKILL", "since its last checkpoint is lost")
        await pilot.press("y")
        await until_shown(pilot, "? lost")


@pytest.mark.usefixtures("impatient")
async def test_a_late_answer_closes_the_question(tmp_path: Path) -> None:
    run = made_up_run.write_run(tmp_path / "runs" / "alpha", made_up_run.midway())
    with RunLock(run / "run.lock"):
        async with app_on(run).run_test(size=SIZE) as pilot:
            await until_shown(pilot, "● running")
            await pilot.press("p")
            await until_shown(pilot, "no answer after")
            answer = made_up_run.answer(run, "paused after batch 32")
            made_up_run.append(run, [answer])
            await until_shown(pilot, "✓ pause: paused after batch 32", "◆ paused")
            await until_gone(pilot, "K kill")


async def test_a_refusal_is_shown_as_one(tmp_path: Path) -> None:
    run = made_up_run.write_run(tmp_path / "runs" / "alpha", made_up_run.midway())
    with RunLock(run / "run.lock"):
        async with app_on(run).run_test(size=SIZE) as pilot:
            await until_shown(pilot, "● running")
            await pilot.press("p")
            await until(pilot, (run / "control.json").exists)
            made_up_run.append(run, [made_up_run.answer(run, "the run is ending", accepted=False)])
            await until_shown(pilot, "! pause: the run is ending", "● running")


async def test_a_run_on_another_machine_is_not_signalled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "ANSWER_SECONDS", 0.0)
    sent: list[int] = []
    monkeypatch.setattr(os, "kill", lambda pid, chosen: sent.append(chosen))
    run = made_up_run.write_run(tmp_path / "runs" / "alpha", made_up_run.midway())
    with RunLock(run / "run.lock"):
        async with app_on(run).run_test(size=SIZE, notifications=True) as pilot:
            await until_shown(pilot, "● running")
            await pilot.press("p")
            await until_shown(pilot, "K offers SIGTERM")
            await pilot.press("K", "y")
            await until_shown(pilot, "The trainer runs on gpu-box")
    assert signal.SIGTERM not in sent


async def test_an_ended_run_is_resumed_and_extended_by_a_new_trainer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launched: list[tuple[str, object]] = []

    def launch(run: RunFolder, **_: bool) -> int:
        launched.append((run.name, run.read_recipe().get("epochs")))
        return 1

    monkeypatch.setattr("core.runs.actions.launch", launch)
    run = made_up_run.write_run(tmp_path / "runs" / "alpha", made_up_run.midway())
    RunFolder(run).write_recipe({"data": "/music", "epochs": 20})
    async with app_on(run).run_test(size=SIZE, notifications=True) as pilot:
        await until_shown(pilot, "? lost", "r resume")
        await pilot.press("r")
        await until(pilot, lambda: launched == [("alpha", 20)])
        await pilot.press("e")
        await until_shown(pilot, "7 of 20 epochs done")
        await pilot.press(*["backspace"] * 3, *"30", "enter")
        await until(pilot, lambda: launched[1:] == [("alpha", 30)])
        await pilot.press("e")
        await until_shown(pilot, "Train for how many in total?")
        await pilot.press(*["backspace"] * 3, "5", "enter")
        await until_shown(pilot, "has done 7 epochs already")


async def test_a_run_that_ended_early_is_extended_only_to_another_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the number that it was to have, it would end again at once."""
    launched: list[object] = []
    monkeypatch.setattr("core.runs.actions.launch", lambda run: launched.append(run.read_recipe().get("epochs")))
    early = RunFinished(seconds=9.0, best_epoch=5, best_val_accuracy=0.7)
    events = [*made_up_run.beginning(20), *made_up_run.epochs(1, 7), early]
    run = made_up_run.write_run(tmp_path / "runs" / "alpha", events)
    RunFolder(run).write_recipe({"data": "/music", "epochs": 20})
    async with app_on(run).run_test(size=SIZE, notifications=True) as pilot:
        await until_shown(pilot, "✓ finished · epoch 7/20")
        for answer in ("20", "+0"):
            await pilot.press("e")
            await until_shown(pilot, "7 of 20 epochs done")
            await pilot.press(*["backspace"] * 3, *answer, "enter")
            await until_shown(pilot, "ended early, before epoch 20")
        await pilot.press("e", "enter")
        await until(pilot, lambda: launched == [30])


async def test_two_viewers_see_the_same_answer(start: Start) -> None:
    run = start()
    async with app_on(run).run_test(size=SIZE) as one:
        await until_shown(one, "● running")
        await one.press("p")
        await until_shown(one, "◆ paused")
        async with app_on(run).run_test(size=SIZE) as two:
            await until_shown(two, "◆ paused")
            await two.press("r")
            await until_shown(two, "✓ resume: goes on", "● running")
        await until_shown(one, "● running")
