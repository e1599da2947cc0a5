"""Notices of a folder's live runs, and control sequences: desktop notifications, progress in the tab, the title.

OSC 9 (iTerm2, kitty, WezTerm, Ghostty, Windows Terminal) and OSC 777 (urxvt, foot, VTE) show a notification, OSC 9;4
progress, OSC 2 the title. A terminal skips the sequences that it does not know, and they reach the person's own
terminal over SSH. tmux passes them on in an envelope of its own where ``allow-passthrough`` is set."""

import os
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from core.runs.directory import scan_runs
from core.runs.folder import RunFolder, RunReader
from core.runs.journal import events as ev
from core.runs.journal.state import RunState
from core.runs.notices import Notice, NotifyRules, RunNotices, report_lost
from core.runs.summary import QUIET
from core.util.errors import UserError
from core.util.text import printable

ESC, BEL, ST = "\x1b", "\x07", "\x1b\\"
LONGEST = 200
"""Characters of a notification; no desktop shows more."""
NO_PROGRESS = f"{ESC}]9;4;0;{ST}"
KEEP_TITLE, RESTORE_TITLE = f"{ESC}[22;2t", f"{ESC}[23;2t"
WITHOUT_OSC = ("", "dumb", "unknown", "linux")
"""Values of TERM: terminals that print what they should skip."""
ONLY_9 = ("iTerm.app", "WezTerm", "ghostty", "kitty", "xterm-kitty", "xterm-ghostty")
ONLY_777 = ("rxvt", "foot")
NO_9_4 = ("rxvt", "foot", "xterm-kitty")
"""Beginnings of TERM: terminals some of whose versions show OSC 9;4 as a notification."""


class TerminalStatus:
    """Shows a run in the terminal that ``write`` reaches. Close it, so that title and progress are as before.

    Args:
        write: writes to a terminal; what is behind it has to be one.
        bell: ring the bell with each notification.
        desktop: notifications, progress and title; without it there is only the bell.
    """

    def __init__(
        self,
        write: Callable[[str], object],
        *,
        bell: bool = False,
        desktop: bool = True,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._write = write
        self._bell = bell
        self._environment = environment
        self._desktop = desktop and environment.get("TERM", "") not in WITHOUT_OSC
        self._progress = NO_PROGRESS
        self._title = ""

    def show(self, state: RunState) -> None:
        """The run's progress and title; written only where they have changed."""
        if not self._desktop or not state.name:
            return
        title = title_of(state)
        progress = progress_of(state) if self._takes_progress() else NO_PROGRESS
        if progress != self._progress:
            self._write(self._through(progress))
        if title != self._title:
            self._write(("" if self._title else KEEP_TITLE) + f"{ESC}]2;{printable(title)}{ST}")
        self._progress, self._title = progress, title

    def notify(self, name: str, notice: Notice) -> None:
        if self._desktop:
            self._write("".join(map(self._through, self._notifications(name, notice.text))))
        if self._bell:
            self._write(BEL)

    def close(self, write: Callable[[str], object] | None = None) -> None:
        """Restore title and progress, with ``write`` if the driver no longer writes to the terminal."""
        self._write = write or self._write
        if self._progress != NO_PROGRESS:
            self._write(self._through(NO_PROGRESS))
        if self._title:
            self._write(f"{ESC}]2;{ST}{RESTORE_TITLE}")
        self._progress, self._title = NO_PROGRESS, ""

    def _notifications(self, name: str, text: str) -> list[str]:
        """One sequence for a terminal that is known, and both for one that is not: each skips what it does not know."""
        # A semicolon separates OSC 777's fields, and OSC 9 begins with a digit for other purposes (9;4).
        name, text = (re.sub(r"\s+", " ", printable(part).replace(";", ",")) for part in (name, text))
        nine = f"{ESC}]9;{name} {text}"[:LONGEST] + ST
        seven = f"{ESC}]777;notify;{name};{text}"[:LONGEST] + ST
        terminal, program = self._environment.get("TERM", ""), self._environment.get("TERM_PROGRAM", "")
        if program in ONLY_9 or terminal in ONLY_9:
            return [nine]
        if terminal.startswith(ONLY_777) or "VTE_VERSION" in self._environment:
            return [seven]
        return [nine, seven]

    def _takes_progress(self) -> bool:
        """Whether OSC 9;4 is not taken for a notification. iTerm2 names itself over SSH, too."""
        terminal, version = self._environment.get("LC_TERMINAL", ""), self._environment.get("LC_TERMINAL_VERSION", "")
        if terminal == "iTerm2":
            return [int(part) for part in re.findall(r"\d+", version)] >= [3, 6, 6]
        return not self._environment.get("TERM", "").startswith(NO_9_4)

    def _through(self, sequence: str) -> str:
        """``sequence`` in the envelope that tmux takes off and passes on."""
        if "TMUX" not in self._environment:
            return sequence
        return f"{ESC}Ptmux;{sequence.replace(ESC, ESC + ESC)}{ST}"


def title_of(state: RunState) -> str:
    """``ep 5/20 · val 72% · name``; how it ended, once it has."""
    if state.status != "running" or not state.epoch:
        return f"{state.status} · {state.name}"
    value = state.history[-1].val_accuracy if state.history else float("nan")
    accuracy = f" · val {value:.0%}" if value == value else ""
    return f"ep {state.epoch}/{state.epochs}{accuracy} · {state.name}"


def progress_of(state: RunState) -> str:
    """OSC 9;4: none (0), a share (1), an error (2), under way (3), or paused (4)."""
    if state.status in ("failed", "lost"):
        return f"{ESC}]9;4;2;100{ST}"
    if state.status not in ("running", "paused"):
        return NO_PROGRESS
    if state.phase not in ("training", "validating") or not state.epochs:
        return f"{ESC}]9;4;3;{ST}"
    whole = state.epochs_done if state.batches == 0 else max(0, state.epoch - 1)
    part = state.batch / state.batches if state.batches and state.phase == "training" else 0.0
    share = round(100 * min(1.0, (whole + part) / state.epochs))
    return f"{ESC}]9;4;{4 if state.paused else 1};{share}{ST}"


SEARCH_SECONDS = 5.0
"""Between two searches for runs that have started."""
SKIPPED = QUIET - {"batch_progress", "epoch_started", "features_progress"}


class RunNotice(NamedTuple):
    """A notice and the run that it is about."""

    name: str
    notice: Notice


class LiveRuns:
    """Follows each live run from when it is first seen. `poll` reads files: call it in a thread, every few seconds."""

    def __init__(self, runs_dir: Path, rules: NotifyRules) -> None:
        self._runs_dir = runs_dir
        self._rules = rules
        self._followed: dict[Path, _Followed] = {}
        self._searched_at = -SEARCH_SECONDS

    def poll(self) -> list[RunNotice]:
        """The notices since the last call; events from before a run was first seen give rise to none."""
        if time.monotonic() - self._searched_at >= SEARCH_SECONDS:
            self._searched_at = time.monotonic()
            self._search()
        notices = []
        for path, followed in list(self._followed.items()):
            notices += [RunNotice(path.name, notice) for notice in followed.poll()]
            if not followed.reader.state.alive:
                del self._followed[path]
        return notices

    def state_of(self, preferred: Path | None) -> RunState | None:
        """The preferred run if it is live, else the live run that started last."""
        if preferred in self._followed:
            return self._followed[preferred].reader.state
        states = [followed.reader.state for followed in self._followed.values()]
        return max(states, key=lambda state: state.started or 0.0, default=None)

    def _search(self) -> None:
        try:
            runs = scan_runs(self._runs_dir)
        except UserError:
            return
        for run in runs:
            if run.path not in self._followed and run.is_alive():
                self._followed[run.path] = _Followed(run, self._rules)


class _Followed:
    def __init__(self, run: RunFolder, rules: NotifyRules) -> None:
        self._run = run
        self._notices = RunNotices(rules)
        self._new: list[Notice] = []
        self.reader = RunReader(run, skip=SKIPPED, on_event=self._take)
        self.poll()  # earlier events give rise to no notice

    def poll(self) -> list[Notice]:
        self._new = []
        try:
            self.reader.poll()
        except OSError:  # its folder is gone, or on a disk that does not answer; the screens say so
            return []
        if self.reader.state.status == "lost":
            self._new += self._notices.lost()
            report_lost(self._run, self.reader.state)
        return self._new

    def _take(self, event: ev.Event) -> None:
        self._new += self._notices.take(event)
