"""The app in a pseudo-terminal: what it takes from its start, or from a key, to a text on the screen."""

import contextlib
import time
from pathlib import Path
from typing import NamedTuple

from tests.support.pseudo_terminal import PseudoTerminal


class Taken(NamedTuple):
    """Seconds."""

    wall: float
    processor: float
    """Of the app and its workers, over all threads."""
    waiting: float
    """For a core that another program had: about that much less of ``wall`` on an idle machine. 0 outside Linux."""


class App(PseudoTerminal):
    """``with App(runs, home, folder) as app: app.shows("run-1"); app.press("2"); taken = app.shows("Accuracy")``."""

    def __init__(self, runs: Path, home: Path, folder: Path) -> None:
        """
        Args:
            folder: where it is started; Classify lists it.
        """
        self._before = Taken(time.monotonic(), 0.0, 0.0)
        with contextlib.chdir(folder):
            super().__init__(["--runs", str(runs)], home)

    def press(self, keys: str) -> None:
        self._before = self._used()
        self.type(keys)

    def shows(self, text: str) -> Taken:
        """What it took since its start, or the last `press`, until ``text`` is on the screen."""
        self.read_until(text)
        return Taken(*(now - before for now, before in zip(self._used(), self._before, strict=True)))

    def leave(self) -> None:
        self.type("q")
        self.wait()

    def _used(self) -> Taken:
        processes = [self.process, *self.process.children(recursive=True)]
        times = [process.cpu_times() for process in processes]
        processor = sum(each.user + each.system for each in times)
        return Taken(time.monotonic(), processor, sum(_waited(process.pid) for process in processes))


def _waited(pid: int) -> float:
    """Seconds in which a process's main thread was ready to run and had no core."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except OSError:  # not Linux
        return 0.0
