"""How long each phase of a trainer's life takes, and what threads do beside them."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

Phase = Literal["start", "queue", "scan", "features", "adapting", "epochs", "checkpoints", "report", "pictures"]
"""``start`` imports the libraries and reads the checkpoint, ``adapting`` builds the network and fits what has a closed
form, ``checkpoints`` is what training waits for: a copy of its state, or at the end until it is written."""


class PhaseTimer:
    """Adds up the seconds of the phases, which follow one another, and those of work in threads.

    Attributes:
        background: seconds of the work that ran in threads, by the phase it belongs to.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """Args:
        clock: seconds that the process has worked, without pauses.
        """
        self.background: dict[str, float] = {}
        self._clock = clock
        self._phase: Phase = "start"
        self._since = clock()
        self._seconds: dict[str, float] = {}
        self._lock = threading.Lock()

    @property
    def seconds(self) -> dict[str, float]:
        """Phase → seconds so far, in the order in which they began; together the age of this timer."""
        self._add()
        return dict(self._seconds)

    def begin(self, phase: Phase) -> None:
        """Ends the phase before."""
        self._add()
        self._phase = phase
        self._seconds.setdefault(phase, 0.0)

    @contextmanager
    def during(self, phase: Phase) -> Iterator[None]:
        """Another phase for the length of the block."""
        outer = self._phase
        self.begin(phase)
        try:
            yield
        finally:
            self.begin(outer)

    @contextmanager
    def beside(self, phase: Phase) -> Iterator[None]:
        """Counts the block as work in the background; for threads."""
        began = self._clock()
        try:
            yield
        finally:
            with self._lock:
                self.background[phase] = self.background.get(phase, 0.0) + self._clock() - began

    def _add(self) -> None:
        now = self._clock()
        self._seconds[self._phase] = self._seconds.get(self._phase, 0.0) + now - self._since
        self._since = now
