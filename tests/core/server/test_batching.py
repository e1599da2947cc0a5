import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from core.inference.backend import Waveform
from core.server.batching import Batcher, Measured


def sums(*waves_BN: Waveform) -> Measured:
    wave_BN = np.concatenate(waves_BN)
    return wave_BN.sum(axis=1, dtype=np.float64)[:, None], wave_BN[:, 0].astype(np.float64)


class Gate:
    """A measurement that waits until it is let go, so that others gather behind it."""

    def __init__(self) -> None:
        self.begun, self.open = threading.Event(), threading.Event()
        self.sizes: list[int] = []

    def __call__(self, *waves_BN: Waveform) -> Measured:
        self.begun.set()
        assert self.open.wait(10)
        self.sizes.append(sum(map(len, waves_BN)))
        return sums(*waves_BN)


def windows(count: int, first: float = 0.0, length: int = 4) -> Waveform:
    return np.arange(first, first + count, dtype=np.float32)[:, None].repeat(length, axis=1)


def behind(gate: Gate, batcher: Batcher, pool: ThreadPoolExecutor, works: list[Waveform]) -> list[Measured]:
    """The answers to ``works``, asked for while one measurement is under way."""
    first = pool.submit(batcher.forward, windows(1))
    assert gate.begun.wait(10)
    others = [pool.submit(batcher.forward, wave) for wave in works]
    while batcher._jobs.qsize() < len(works):
        pass
    gate.open.set()
    first.result(10)
    return [other.result(10) for other in others]


def test_windows_of_several_callers_go_together_and_come_back_to_whom_they_belong() -> None:
    gate, told = Gate(), []
    batcher = Batcher(gate, most=16, on_batch=lambda windows, callers, seconds: told.append((windows, callers)))
    works = [windows(n, first=100 * n) for n in (1, 2, 3)]
    with ThreadPoolExecutor(8) as pool:
        answers = behind(gate, batcher, pool, works)
    for work, (logits, other) in zip(works, answers, strict=True):
        assert np.array_equal(logits, sums(work)[0])
        assert np.array_equal(other, sums(work)[1])
    assert gate.sizes == [1, 6]
    assert told == [(1, 1), (6, 3)]
    batcher.close()


def test_a_batch_has_a_largest_size_and_one_length() -> None:
    gate = Gate()
    batcher = Batcher(gate, most=4)
    works = [windows(3), windows(3), windows(1, length=7), windows(1, length=7)]
    with ThreadPoolExecutor(8) as pool:
        answers = behind(gate, batcher, pool, works)
    assert [len(logits) for logits, _ in answers] == [3, 3, 1, 1]
    assert max(gate.sizes) <= 4
    assert sum(gate.sizes) == 9
    batcher.close()


def test_many_windows_of_one_caller_go_in_pieces() -> None:
    sizes: list[int] = []
    batcher = Batcher(sums, most=4, on_batch=lambda windows, callers, seconds: sizes.append(windows))
    work = windows(10)
    assert np.array_equal(batcher.forward(work)[0], sums(work)[0])
    assert sizes == [4, 4, 2]
    batcher.close()


def test_a_failure_reaches_its_callers_and_nobody_else() -> None:
    def fails_on_nine(wave_BN: Waveform) -> Measured:
        if (wave_BN == 9).any():
            raise RuntimeError("nine")
        return sums(wave_BN)

    batcher = Batcher(fails_on_nine)
    with pytest.raises(RuntimeError, match="nine"):
        batcher.forward(windows(1, first=9))
    assert len(batcher.forward(windows(2))[0]) == 2
    batcher.close()


def test_closing_answers_what_was_asked_before() -> None:
    gate = Gate()
    batcher = Batcher(gate, most=2)
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(batcher.forward, windows(2)) for _ in range(3)]
        while batcher._jobs.qsize() < 2:
            pass
        closing = pool.submit(batcher.close)
        gate.open.set()
        assert all(len(one.result(10)[0]) == 2 for one in asked)
        closing.result(10)
