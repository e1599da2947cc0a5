"""Writing to the run folder despite a full disk: errors are retried, counted and reported, and never end training."""

import time
from collections.abc import Callable

from core.runs.folder import RunFolder
from core.runs.journal.events import Event, Warned
from core.util.files import free_space
from core.util.text import counted

PATIENCE_SECONDS = 60.0
"""Total time that training may wait for disk space when it needs a file to be written."""
FIRST_WAIT, LONGEST_WAIT = 0.05, 10.0


class WriteGuard:
    """Calls functions that write files, and reports those that fail."""

    def __init__(self, run: RunFolder, emit: Callable[[Event], object], locate: Callable[[], object]) -> None:
        """Args:
        locate: called before every write, to update ``run.path``.
        """
        self.failures = 0
        """Number of failed writes so far."""
        self.lost: list[str] = []
        """What could not be written with patience."""
        self._run = run
        self._emit = emit
        self._locate = locate
        self._patience = PATIENCE_SECONDS

    def attempt(self, what: str, write: Callable[[], object], *, patiently: bool = False) -> bool:
        """Call ``write``, which reads ``run.path`` each time; returns whether it succeeded.

        Args:
            what: the name of the file, for the warning.
            patiently: retry while patience lasts, for files that are not written again later.
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
        failed = f"{counted(self.failures, 'failed write')} so far"
        then = "; it will be tried again" if again else ""
        return f"{what} could not be written ({reason}; {failed}){then}"
