"""What the terminal itself is told, and as what it arrives in a pseudo-terminal inside and outside tmux."""

import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from core.runs.journal import events as ev
from core.runs.journal.reducer import reduce
from core.runs.journal.state import RunState
from core.runs.notices import Notice
from tests.support.event_sequences import beginning, epoch, numbered, whole_run
from tests.support.pseudo_terminal import PseudoTerminal
from tests.support.tmux import HAVE_TMUX
from tui.shell.notifications import NO_PROGRESS, TerminalStatus, progress_of, title_of

NINE = "\x1b]9;evening finished, well\x1b\\"
SEVEN = "\x1b]777;notify;evening;finished, well\x1b\\"


def enveloped(sequence: str) -> str:
    """As tmux passes it on: with every escape doubled."""
    return "\x1bPtmux;" + sequence.replace("\x1b", "\x1b\x1b") + "\x1b\\"


def state_after(*events: ev.Event) -> RunState:
    state = reduce(RunState.empty(), numbered(events))
    state.name, state.alive = "evening", True
    return state


def written(environment: Mapping[str, str], *, desktop: bool = True, bell: bool = False) -> str:
    parts: list[str] = []
    status = TerminalStatus(parts.append, bell=bell, desktop=desktop, environment=environment)
    status.notify("evening", Notice("finished", "finished; well"))
    return "".join(parts)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"TERM": "xterm-256color"}, NINE + SEVEN),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, NINE),
        ({"TERM": "xterm-kitty"}, NINE),
        ({"TERM": "xterm-256color", "VTE_VERSION": "7600"}, SEVEN),
        ({"TERM": "rxvt-unicode-256color"}, SEVEN),
        ({"TERM": "linux"}, ""),
        ({"TERM": "dumb"}, ""),
        ({}, ""),
        ({"TERM": "tmux-256color", "TMUX": "x"}, enveloped(NINE) + enveloped(SEVEN)),
    ],
)
def test_each_terminal_gets_what_it_knows(environment: dict[str, str], expected: str) -> None:
    assert written(environment) == expected
    assert written(environment, desktop=False) == ""
    assert written(environment, desktop=False, bell=True) == "\a"


def test_a_name_sends_no_sequences_of_its_own() -> None:
    parts: list[str] = []
    TerminalStatus(parts.append, environment={"TERM": "xterm"}).notify(
        "a\x1b]0;b\x07", Notice("lost", "c\n\x9cd" * 500)
    )
    text = "".join(parts)
    assert text.count("\x1b") == 4 and "\x07" not in text and "\x9c" not in text and "\n" not in text
    assert len(text) < 500


def test_title_and_progress_of_a_run() -> None:
    start = state_after(*beginning(4)[:1])
    assert (title_of(start), progress_of(start)) == ("running · evening", "\x1b]9;4;3;\x1b\\")
    second = state_after(*beginning(4), *epoch(1), ev.EpochStarted(epoch=2, batches=4))
    assert title_of(second) == "ep 2/4 · val 40% · evening"
    assert progress_of(second) == "\x1b]9;4;1;25\x1b\\"
    half = state_after(*beginning(4), *epoch(1), *epoch(2)[:3])
    assert "9;4;1;" in progress_of(half) and progress_of(half) > progress_of(second)
    failed = state_after(*beginning(4), ev.RunFailed(error="", traceback=""))
    assert (title_of(failed), progress_of(failed)) == ("failed · evening", "\x1b]9;4;2;100\x1b\\")
    assert progress_of(state_after(*whole_run())) == NO_PROGRESS


def test_only_changes_are_written_and_all_is_put_back() -> None:
    parts: list[str] = []
    status = TerminalStatus(parts.append, environment={"TERM": "xterm-256color"})
    for _ in range(3):
        status.show(state_after(*beginning(4), *epoch(1)))
    assert len(parts) == 2
    status.close()
    assert "".join(parts[2:]) == NO_PROGRESS + "\x1b]2;\x1b\\\x1b[23;2t"
    status.close()
    assert len(parts) == 4


@pytest.mark.parametrize(
    ("environment", "progress"),
    [
        ({"TERM": "xterm-256color", "LC_TERMINAL": "iTerm2", "LC_TERMINAL_VERSION": "3.5.10"}, False),
        ({"TERM": "xterm-256color", "LC_TERMINAL": "iTerm2", "LC_TERMINAL_VERSION": "3.6.6"}, True),
        ({"TERM": "foot"}, False),
    ],
)
def test_no_progress_where_it_would_be_taken_for_a_notification(environment: dict[str, str], progress: bool) -> None:
    parts: list[str] = []
    TerminalStatus(parts.append, environment=environment).show(state_after(*beginning(4), *epoch(1)))
    assert ("]9;4;" in "".join(parts)) == progress


CODE = """
import sys
from core.runs.notices import Notice
from tui.shell.notifications import TerminalStatus
from tui.shell.printing import write_notes
status = TerminalStatus(write_notes)
status.notify("evening", Notice("finished", "finished; well"))
print("done", flush=True)
sys.stdin.readline()
"""


def test_as_it_arrives_outside_tmux(tmp_path: Path) -> None:
    with PseudoTerminal([], tmp_path, code=CODE) as terminal:
        terminal.read_until("done")
        assert (NINE + SEVEN).encode() in terminal.output


@pytest.mark.skipif(not HAVE_TMUX, reason="tmux is not installed")
def test_as_it_arrives_through_tmux(tmp_path: Path) -> None:
    (tmp_path / "tell.py").write_text(CODE)
    tmux = ["tmux", "-f", "/dev/null", "-S", str(tmp_path / "socket"), "set", "-g", "allow-passthrough", "on", ";"]
    command = [*tmux, "new-session", f"{sys.executable} {tmp_path / 'tell.py'}"]
    start = f"import os; os.execvp('tmux', {command!r})"
    with PseudoTerminal([], tmp_path, code=start) as terminal:
        terminal.read_until("done")
        assert NINE.encode() in terminal.output and SEVEN.encode() in terminal.output
        assert b"tmux;" not in terminal.output
        terminal.type("\r")
        assert terminal.wait() == 0
