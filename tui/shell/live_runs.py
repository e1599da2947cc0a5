"""The live runs of a folder and their notices, whichever screen is in view."""

import time
from pathlib import Path
from typing import NamedTuple

from core.runs.directory import scan_runs
from core.runs.folder import RunFolder, RunReader
from core.runs.journal import events as ev
from core.runs.journal.state import RunState
from core.runs.notices import Notice, NotifyRules, RunNotices
from core.runs.summary import QUIET
from core.runs.webhook import report_lost
from core.util.errors import UserError

SEARCH_SECONDS = 5.0
"""Between two searches for runs that have started."""
SKIPPED = QUIET - {"batch_progress", "epoch_started", "features_progress"}


class RunNotice(NamedTuple):
    """A notice and the run that it is about."""

    name: str
    notice: Notice


class LiveRuns:
    """Follows each live run from when it is first seen. `poll` reads files: call it in a thread, now and then."""

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
