import asyncio
import time
from contextlib import AsyncExitStack

import pytest

from core.server.schemas import Problem
from core.server.service import ConcurrencyLimiter, TokenBucket


async def test_one_more_than_there_are_places_is_refused() -> None:
    seats = ConcurrencyLimiter(2, 0.0, "requests")
    async with AsyncExitStack() as held:
        for _ in range(2):
            await held.enter_async_context(seats.one())
        with pytest.raises(Problem) as refused:
            await held.enter_async_context(seats.one())
        assert (refused.value.status, refused.value.headers["Retry-After"]) == (503, "1")
    async with seats.one(), seats.one():
        pass  # both places are free again


async def test_a_place_that_becomes_free_in_time_is_taken() -> None:
    seats = ConcurrencyLimiter(1, 10.0, "requests")
    entered = asyncio.Event()

    async def second() -> None:
        async with seats.one():
            entered.set()

    async with seats.one():
        waiting = asyncio.create_task(second())
        await asyncio.sleep(0)
        assert not entered.is_set()
    await asyncio.wait_for(waiting, 5)


def test_a_rate_allows_a_burst_and_then_its_average(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    rate = TokenBucket(2.0, 4.0)
    assert [rate.spend() for _ in range(5)] == [True] * 4 + [False]
    now += 0.5
    assert [rate.spend(), rate.spend()] == [True, False]
    now += 1000
    assert not rate.spend(4.5)
    assert rate.spend(4.0)
