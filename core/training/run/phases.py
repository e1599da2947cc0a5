"""Measuring the time of each phase of a trainer and of background threads."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

Phase = Literal["start", "queue", "scan", "features", "adapting", "epochs", "checkpoints", "report", "pictures"]
"""``start`` imports libraries and reads the checkpoint; ``adapting`` builds the network and fits its closed-form parts;
``checkpoints`` is the time that training waits for a copy of its state, or at the end until it is written."""


class PhaseTimer:
    """Measures the seconds of consecutive phases and of background threads.

    Attributes:
        background: seconds of background threads by phase.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """Args:
        clock: returns seconds without pauses.
        """
        self.background: dict[str, float] = {}
        self._clock = clock
        self._phase: Phase = "start"
        self._since = clock()
        self._seconds: dict[str, float] = {}
        self._lock = threading.Lock()

    @property
    def seconds(self) -> dict[str, float]:
        """Phase → seconds so far, in the order in which they began; their sum is the age of this timer."""
        self._add()
        return dict(self._seconds)

    def begin(self, phase: Phase) -> None:
        """Begin a phase, which ends the previous one."""
        self._add()
        self._phase = phase
        self._seconds.setdefault(phase, 0.0)

    @contextmanager
    def during(self, phase: Phase) -> Iterator[None]:
        """Switch to another phase during the block."""
        outer = self._phase
        self.begin(phase)
        try:
            yield
        finally:
            self.begin(outer)

    @contextmanager
    def beside(self, phase: Phase) -> Iterator[None]:
        """Count the block as background work; for threads."""
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
