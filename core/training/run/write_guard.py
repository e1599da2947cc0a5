"""Writes into the run folder that outlive a full disk: retried, counted and reported, never the end of a training."""

import time
from collections.abc import Callable

from core.runs.folder import RunFolder
from core.runs.journal.events import Event, Warned
from core.util.files import free_space

PATIENCE_SECONDS = 60.0
"""Time that a training may spend waiting for room on the disk, in all, where it needs a file to be written."""
FIRST_WAIT, LONGEST_WAIT = 0.05, 10.0


class WriteGuard:
    """Runs functions that write files, and reports those that fail."""

    def __init__(self, run: RunFolder, emit: Callable[[Event], object], locate: Callable[[], object]) -> None:
        """Args:
        locate: called before every write, to bring ``run.path`` up to date.
        """
        self.failures = 0
        """Failed writes so far."""
        self.lost: list[str] = []
        """What could not be written although it was tried patiently."""
        self._run = run
        self._emit = emit
        self._locate = locate
        self._patience = PATIENCE_SECONDS

    def attempt(self, what: str, write: Callable[[], object], *, patiently: bool = False) -> bool:
        """Calls ``write``, which asks ``run`` for its path each time; whether it succeeded.

        Args:
            what: the name of what is written, for the warning.
            patiently: try again while patience lasts, for what will not be tried again later.
        """
        wait = FIRST_WAIT
        while True:
            self._locate()
            try:
                write()
                return True
            except OSError as error:
                self.failures += 1
                again = not patiently or self._patience > 0
                self._emit(Warned(message=self._message(what, error, again=again)))
            if not again:
                self.lost.append(what)
            if not patiently or not again:
                return False
            time.sleep(wait)
            self._patience -= wait
            wait = min(LONGEST_WAIT, 2 * wait)

    def _message(self, what: str, error: OSError, *, again: bool) -> str:
        reason = f"{error.strerror or error}; {free_space(self._run.path)}"
        failed = f"{self.failures} failed write{'' if self.failures == 1 else 's'} so far"
        then = "; it will be tried again" if again else ""
        return f"{what} could not be written ({reason}; {failed}){then}"
