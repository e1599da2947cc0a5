"""Keys that arrive in one bunch, as from a slow link, do what they do when they are pressed one by one."""

import re
from pathlib import Path

import pytest

from core.runs.folder import RunFolder
from tests.support import example_run as made_up_run
from tests.support.pseudo_terminal import PseudoTerminal, wait_until


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for name in ("alpha", "beta", "rock-steady"):
        made_up_run.write_run(tmp_path / "runs" / name, made_up_run.midway(3))
    return tmp_path / "runs"


def test_a_filter_is_a_filter_and_not_commands(runs: Path, tmp_path: Path) -> None:
    with PseudoTerminal(["--runs", str(runs)], tmp_path) as terminal:
        terminal.read_until("rock-steady")
        terminal.type("/rock-steady")  # r resumes, s stops, d deletes, y copies
        terminal.read_until("1 of 3")
        terminal.type("\x1b")
        terminal.read_for(1.0)
        terminal.type("q")
        assert terminal.wait() == 0
    assert not any(RunFolder(runs / name).is_alive() for name in ("alpha", "beta", "rock-steady"))


def test_what_is_typed_goes_where_the_cursor_has_been_sent(runs: Path, tmp_path: Path) -> None:
    with PseudoTerminal(["--runs", str(runs)], tmp_path) as terminal:
        terminal.read_until("rock-steady")
        terminal.type("n" + "\x15/data" + "\x1b[B" * 3 + "\x157" + "\t\x1564" + "\x1b[B" * 5 + "mine")

        def typed() -> str:
            terminal.read(0.1)
            return terminal.screen()

        wait_until(lambda: "mine" in typed(), "what is typed last")
        screen = typed()
        for field, value in (("Dataset", "/data"), ("Epochs", "7"), ("Batch size", "64"), ("Name", "mine")):
            assert re.search(rf"{field} +{value} ", screen), screen
        terminal.type("\x1b")
        terminal.read_until("Leave without starting?")
        terminal.type("y")
        terminal.read_for(1.0)
        terminal.type("q")
        assert terminal.wait() == 0


def test_help_is_closed_by_a_key_that_follows_at_once(runs: Path, tmp_path: Path) -> None:
    with PseudoTerminal(["--runs", str(runs)], tmp_path) as terminal:
        terminal.read_until("rock-steady")
        terminal.type("?q" * 3 + "2")
        terminal.read_until("[2 Watch]")
        terminal.type("?q" * 3 + "q")
        assert terminal.wait() == 0
