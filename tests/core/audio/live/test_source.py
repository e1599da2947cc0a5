"""The ring buffer: nothing is lost unnoticed."""

import threading

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.audio.live.source import RingBuffer


@given(sizes=st.lists(st.tuples(st.integers(0, 25), st.booleans()), max_size=40), capacity=st.integers(1, 20))
def test_what_is_read_and_what_is_lost_is_what_was_written(sizes: list[tuple[int, bool]], capacity: int) -> None:
    ring = RingBuffer(capacity)
    written = read = overruns = 0
    for size, then_read in sizes:
        ring.write(np.arange(written, written + size, dtype=np.float32))
        written += size
        assert ring.last(capacity).tolist() == list(range(max(0, written - capacity), written))
        if then_read:
            overruns += written - read > capacity
            assert ring.read(0).tolist() == list(range(max(read, written - capacity), written))
            assert ring.overruns == overruns
            read = written
    assert ring.written == written


def test_overruns_are_counted_once_each_time() -> None:
    ring = RingBuffer(10)
    for _ in range(5):
        ring.write(np.zeros(4, dtype=np.float32))
    ring.read(0)
    assert ring.overruns == 1
    ring.write(np.zeros(9, dtype=np.float32))
    ring.read(0)
    assert ring.overruns == 1


def test_a_reader_is_woken_by_a_writer() -> None:
    ring = RingBuffer(100)
    read: list[int] = []
    reader = threading.Thread(target=lambda: read.append(len(ring.read(30))))
    reader.start()
    ring.write(np.ones(7, dtype=np.float32))
    reader.join(20)
    assert read == [7]


def test_two_threads_lose_nothing_while_the_reader_keeps_up() -> None:
    ring = RingBuffer(50_000)
    total = 200_000

    def write() -> None:
        for start in range(0, total, 100):
            ring.write(np.arange(start, start + 100, dtype=np.float32))
            if ring.written - seen[0] > 40_000:
                caught_up.wait(20)
            caught_up.clear()

    seen, caught_up = [0], threading.Event()
    writer = threading.Thread(target=write)
    writer.start()
    expected = 0
    while expected < total:
        new = ring.read(20)
        assert new[0] == expected
        assert (np.diff(new) == 1).all()
        expected += len(new)
        seen[0] = expected
        caught_up.set()
    writer.join(20)
    assert ring.overruns == 0
