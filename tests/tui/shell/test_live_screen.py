"""A screen behind a dialog keeps up with its run, and sends the terminal only what has changed."""

from pathlib import Path

from core.runs.lock import RunLock
from tests.support import example_run as made_up_run
from tests.support.pilot import until_shown
from tests.support.pseudo_terminal import PseudoTerminal
from tui.app import GenreApp
from tui.shell.panels import LiveScreen

WHOLE_SCREEN = 40_000
"""Bytes that a full repaint at 120×40 takes."""


def test_a_dialog_does_not_make_an_epoch_a_full_repaint(tmp_path: Path) -> None:
    run = made_up_run.write_run(tmp_path / "runs" / "alpha", made_up_run.midway())
    arguments = ["--runs", str(run.parent), "attach", "alpha"]
    with RunLock(run / "run.lock"), PseudoTerminal(arguments, tmp_path) as terminal:
        terminal.read_until("epoch 8/20")
        terminal.type("s")
        terminal.read_until("Stop alpha?")
        terminal.read_for(1.0)
        made_up_run.append(run, [*made_up_run.epochs(8, 9), made_up_run.batch(10, 5)])
        first = terminal.read_until("0/20") + terminal.read_for(2.0)
        assert len(first) < WHOLE_SCREEN
        made_up_run.append(run, [*made_up_run.epochs(10, 10), made_up_run.batch(11, 5)])
        second = terminal.read_until("1/20") + terminal.read_for(2.0)
        assert len(second) < WHOLE_SCREEN
        terminal.type("nq")
        assert terminal.wait() == 0


async def test_only_screens_in_view_poll(tmp_path: Path) -> None:
    run = made_up_run.write_run(tmp_path / "runs" / "alpha", made_up_run.whole(3))
    async with GenreApp(run.parent, watch=run).run_test(size=(120, 40)) as pilot:
        await until_shown(pilot, "finished")
        watch = pilot.app.screen
        assert isinstance(watch, LiveScreen)
        await pilot.press("question_mark")
        assert pilot.app.screen is not watch
        assert watch.is_in_view
        await pilot.press("escape", "1")
        assert not watch.is_in_view
        runs = pilot.app.screen
        assert isinstance(runs, LiveScreen)
        await pilot.press("n")
        assert not runs.is_in_view
        await pilot.press("escape")
        assert runs.is_in_view
