"""Counting who is let in: a number of places, and a rate."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from core.server.problems import Problem


class ConcurrencyLimiter:
    """``async with places.one():`` for work that only so many may do at a time. First come, first served."""

    def __init__(self, count: int, wait_seconds: float, what: str) -> None:
        """Args:
        what: what there are too many of, for people.
        """
        self.count, self._wait, self._what = count, wait_seconds, what
        self._free = asyncio.Semaphore(count)
        self.taken = 0

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """
        Raises:
            Problem: 503, no place became free in time.
        """
        try:
            async with asyncio.timeout(self._wait):
                await self._free.acquire()
        except TimeoutError:
            raise Problem(
                503, "busy", f"{self.count} {self._what} are under way; try again soon", {"Retry-After": "1"}
            ) from None
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1
            self._free.release()


class TokenBucket:
    """At most ``per_second`` on average, ``burst`` at once (a token bucket)."""

    def __init__(self, per_second: float, burst: float) -> None:
        self._per_second, self._burst = per_second, burst
        self._left, self._at = burst, time.monotonic()

    def spend(self, amount: float = 1.0) -> bool:
        """Whether there was enough left for ``amount``; only then is it taken."""
        now = time.monotonic()
        self._left = min(self._burst, self._left + (now - self._at) * self._per_second)
        self._at = now
        if amount > self._left:
            return False
        self._left -= amount
        return True
