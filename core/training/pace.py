"""How often progress is told, and how long work has taken."""

import time
from collections.abc import Callable

SHORTEST, LONGEST = 0.1, 1.0
"""Seconds between two reports: ten a second at first, later one a second, so that a week's journal stays small."""

SHARE = 1e-3
"""A report may come after this share of the time since the beginning."""


class Pace:
    """Says when the next report of progress is due."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._told = -LONGEST

    def due(self) -> bool:
        """Whether it is time; a yes begins the next wait."""
        now = self._clock()
        if now - self._told < min(LONGEST, max(SHORTEST, SHARE * (now - self._began))):
            return False
        self._told = now
        return True


class Stopwatch:
    """Seconds since it was started, without those that were spent waiting for people."""

    def __init__(self, waited: Callable[[], float]) -> None:
        """Args:
        waited: seconds that were spent waiting since the process began.
        """
        self._waited = waited
        self.start()

    def start(self, seconds: float = 0.0) -> None:
        """Begins anew, at ``seconds``."""
        self._zero = time.perf_counter() - self._waited() - seconds

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._waited() - self._zero
