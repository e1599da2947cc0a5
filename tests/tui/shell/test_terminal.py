"""What happens to the app when something happens to its terminal."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support import example_run as made_up_run
from tests.support.paths import ROOT
from tests.support.pseudo_terminal import PseudoTerminal, wait_until
from tui.shell.terminal import GRACE, wants_ascii


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two runs that have ended."""
    for name in ("first", "second"):
        made_up_run.write_run(tmp_path / "runs" / name, made_up_run.whole(3))
    return tmp_path / "runs"


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[Path]:
    """A run that goes on, with an event every 20 ms."""
    run = tmp_path / "runs" / "busy"
    run.mkdir(parents=True)
    command = [sys.executable, "-m", "tests.support.fake_trainer", str(run), "1"]
    trainer = subprocess.Popen(command, cwd=ROOT)
    wait_until((run / "events.jsonl").exists, "the acting trainer")
    yield run
    trainer.terminate()
    trainer.wait()


@pytest.mark.parametrize("ignored", [False, True], ids=["default", "SIGHUP ignored"])
def test_a_hang_up_ends_the_viewer_and_not_the_run(busy: Path, tmp_path: Path, ignored: bool) -> None:
    with PseudoTerminal(["--runs", str(busy.parent), "attach", "busy"], tmp_path, ignore_hangup=ignored) as terminal:
        terminal.read_until("seed_cnn")
        terminal.hang_up()
        wait_until(terminal.ended, "the viewer to end with its terminal")
    size = (busy / "events.jsonl").stat().st_size
    wait_until(lambda: (busy / "events.jsonl").stat().st_size > size, "the run to go on")


def test_several_viewers_watch_one_run(busy: Path, tmp_path: Path) -> None:
    arguments = ["--runs", str(busy.parent), "attach", "busy"]
    with PseudoTerminal(arguments, tmp_path) as one, PseudoTerminal(arguments, tmp_path, size=(80, 24)) as other:
        one.read_until("epoch")
        other.read_until("epoch")
        one.hang_up()
        wait_until(one.ended, "the first viewer to end")
        assert other.read_for(3.0), "the second viewer shows nothing any more"
        other.type("q")
        assert other.wait() == 0


def test_runs_lists_the_folder_of_the_run_that_was_attached_to(runs: Path, tmp_path: Path) -> None:
    arguments = ["--runs", str(tmp_path / "none"), "attach", str(runs / "first")]
    with PseudoTerminal(arguments, tmp_path) as terminal:
        terminal.read_until("epoch")
        terminal.type("1")
        terminal.read_until("second")


def test_sigterm_ends_it_in_good_order(runs: Path, tmp_path: Path) -> None:
    with PseudoTerminal(["--runs", str(runs)], tmp_path) as terminal:
        terminal.read_until("second")
        os.kill(terminal.pid, signal.SIGTERM)
        assert terminal.wait() == 128 + signal.SIGTERM
        assert terminal.output.rstrip().rfind(b"\x1b[?1049l") > terminal.output.rfind(b"\x1b[?1049h")


def test_a_terminal_that_nobody_reads_costs_nothing_and_comes_back(busy: Path, tmp_path: Path) -> None:
    with PseudoTerminal(["--runs", str(busy.parent), "attach", "busy"], tmp_path, size=(200, 60)) as terminal:
        terminal.read_until("seed_cnn")

        wait_until(lambda: _stalls(terminal), "the screen to come to a stand")
        before = terminal.cpu_seconds()
        time.sleep(3)
        assert terminal.cpu_seconds() - before < 0.5, "it spins on a terminal that nobody reads"
        terminal.read_for(2.0)
        terminal.type("q")
        assert terminal.wait() == 0


def test_sigterm_ends_it_even_where_nobody_reads(busy: Path, tmp_path: Path) -> None:
    with PseudoTerminal(["--runs", str(busy.parent), "attach", "busy"], tmp_path, size=(200, 60)) as terminal:
        terminal.read_until("seed_cnn")
        wait_until(lambda: _stalls(terminal), "the screen to come to a stand")
        os.kill(terminal.pid, signal.SIGTERM)
        wait_until(terminal.ended, "the end", patience=GRACE + 20)
        assert terminal.status == 128 + signal.SIGTERM


@pytest.mark.parametrize(
    ("environment", "ascii"),
    [
        ({}, False),
        ({"LC_CTYPE": "C.UTF-8"}, False),
        ({"LANG": "C"}, True),
        ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, True),
        ({"LANG": "C", "LC_CTYPE": "UTF-8"}, False),
        ({"LANG": "C", "LC_ALL": "en_GB.utf8"}, False),
        ({"LANG": "C.UTF-8", "LC_ALL": "POSIX"}, True),
        ({"LANG": "de_DE.ISO-8859-1"}, True),
        ({"LANG": "ja_JP.UTF-8"}, False),
    ],
)
def test_a_locale_of_another_encoding_gets_ascii(environment: dict[str, str], ascii: bool) -> None:
    assert wants_ascii(environment) is ascii


def test_sighup_leaves_a_terminal_that_is_still_there_as_it_was(runs: Path, tmp_path: Path) -> None:
    with PseudoTerminal(["--runs", str(runs)], tmp_path) as terminal:
        terminal.read_until("second")
        terminal.read_for(1.0)
        os.kill(terminal.pid, signal.SIGHUP)
        assert terminal.wait() == 128 + signal.SIGHUP
        assert terminal.output.rstrip().rfind(b"\x1b[?1049l") > terminal.output.rfind(b"\x1b[?1049h")


@pytest.mark.parametrize(("keys", "shows"), [("", "second"), ("?", "Mark the run")])
def test_suspended_and_continued_it_draws_anew(keys: str, shows: str, runs: Path, tmp_path: Path) -> None:
    with PseudoTerminal(["--runs", str(runs)], tmp_path) as terminal:
        terminal.read_until("second")
        terminal.type(keys)
        if keys:
            terminal.read_until(shows)
        terminal.type("\x1a")  # ctrl+z

        def stopped() -> bool:
            terminal.read()
            return bool(terminal.process.status() == psutil.STATUS_STOPPED)

        wait_until(stopped, "the viewer to stop")
        terminal.read_for(0.5)
        os.kill(terminal.pid, signal.SIGCONT)
        terminal.read_until(shows)
        terminal.type("qq" if keys else "q")
        assert terminal.wait() == 0


def test_resized_to_almost_nothing_and_back(runs: Path, tmp_path: Path) -> None:
    with PseudoTerminal(["--runs", str(runs)], tmp_path) as terminal:
        terminal.read_until("second")
        for mode in "1234":
            terminal.type(mode)
            terminal.resize(20, 5)
            terminal.read_for(0.5)
            terminal.resize(120, 40)
            terminal.read_for(0.5)
        terminal.type("1")
        terminal.resize(119, 40)
        terminal.read_until("second")
        terminal.type("q")
        assert terminal.wait() == 0


@pytest.mark.parametrize(
    ("keys", "shows"),
    [
        ("", "second"),
        ("?", "This screen"),
        ("n", "Start training"),
        ("\r", "epoch"),
        ("3", "10 genres"),
        ("\x10", "Copy the"),
    ],
    ids=["runs", "help", "new run", "watch", "classify", "palette"],
)
def test_at_rest_not_a_byte_is_sent(runs: Path, tmp_path: Path, keys: str, shows: str) -> None:
    with PseudoTerminal(["--runs", str(runs)], tmp_path) as terminal:
        terminal.read_until("second")
        terminal.type(keys)
        if keys:
            terminal.read_until(shows)
        quiet = b"-"
        for _ in range(20):  # until what is still being read has been drawn
            if not (quiet := terminal.read_for(1.0)):
                break
        assert quiet == b""
        assert terminal.read_for(2.5) == b""
        terminal.type("\x1b" * bool(keys))
        terminal.read_for(1.0)
        os.kill(terminal.pid, signal.SIGTERM)
        terminal.wait()


@pytest.mark.parametrize("term", ["dumb", ""])
def test_a_terminal_that_cannot_place_text_is_refused(runs: Path, tmp_path: Path, term: str) -> None:
    with PseudoTerminal(["--runs", str(runs)], tmp_path, environment={"TERM": term}) as terminal:
        assert terminal.wait() == 1
        assert b"TERM=" in terminal.output
        assert b"\x1b[" not in terminal.output
        assert len(terminal.output.strip().splitlines()) == 1


def test_without_a_terminal_it_says_so_in_one_line(runs: Path) -> None:
    command = [sys.executable, "-m", "tui.cli", "--runs", str(runs)]
    ended = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert len(ended.stderr.strip().splitlines()) == 1
    assert "terminal" in ended.stderr


def test_what_native_code_prints_goes_into_the_log_and_not_on_the_screen(runs: Path, tmp_path: Path) -> None:
    """A decoder's complaint on descriptor 2, made by the app's own process while it draws."""
    code = (
        "import os, threading, sys; from pathlib import Path; from tui.launch import run_app\n"
        "threading.Timer(1.0, lambda: (os.write(2, b'NATIVE NOISE 2'), os.write(1, b'NATIVE NOISE 1'))).start()\n"
        f"sys.exit(run_app(Path({str(runs)!r})))"
    )
    with PseudoTerminal([], tmp_path, code=code) as terminal:
        terminal.read_until("second")
        log = tmp_path / ".local" / "state" / "genre-tui" / "viewer.log"
        wait_until(lambda: log.exists() and b"NOISE 1" in log.read_bytes(), "the noise in the log")
        terminal.type("q")
        assert terminal.wait() == 0
        assert b"NATIVE NOISE 2" in log.read_bytes()
        assert b"NATIVE NOISE" not in terminal.output


def test_a_home_that_cannot_be_written_to_does_no_harm(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where a folder should be")
    with PseudoTerminal(
        ["--runs", str(runs)], tmp_path, environment={"XDG_STATE_HOME": f"{tmp_path}/state"}
    ) as terminal:
        terminal.read_until("second")
        terminal.type("q")
        assert terminal.wait() == 0


def test_a_crash_is_one_sentence_and_a_traceback_in_the_log(runs: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tui import launch; from tui.runs.screen import RunsScreen\n"
        "RunsScreen.action_reverse = lambda self: 1 / 0\n"
        f"sys.exit(launch.run_app(Path({str(runs)!r})))"
    )
    with PseudoTerminal([], tmp_path, code=code) as terminal:
        terminal.read_until("second")
        terminal.type("R")
        assert terminal.wait() == 1
        after = terminal.output.rpartition(b"\x1b[?1049l")[2]
        assert b"viewer.log" in after
        assert b"ZeroDivisionError" not in after
    assert "ZeroDivisionError" in (tmp_path / ".local/state/genre-tui/viewer.log").read_text()


def test_leaving_says_which_runs_continue(busy: Path, tmp_path: Path) -> None:
    with PseudoTerminal(["--runs", str(busy.parent)], tmp_path) as terminal:
        terminal.read_until("running")
        terminal.type("q")
        assert terminal.wait() == 0
        after = terminal.output.rpartition(b"\x1b[?1049l")[2]
        assert b"Training continues: busy" in after


def _stalls(terminal: PseudoTerminal) -> bool:
    """Whether the app has come to a stand: half a second of keys that each draw a screen costs it next to nothing."""
    before = terminal.cpu_seconds()
    for _ in range(5):
        terminal.type("12")
        time.sleep(0.1)
    return terminal.cpu_seconds() - before < 0.1
