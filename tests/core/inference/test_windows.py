"""Windows do not depend on how the sound is divided into pieces."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.inference.windows import WindowCutter


def cut(sound: np.ndarray, pieces: list[int], window: int, hop: int, rest: int) -> list[tuple[int, list[float]]]:
    cutter = WindowCutter(window, hop, rest)
    found = []
    position = 0
    for piece in [*pieces, len(sound)]:
        windows, starts = cutter.push(sound[position : position + piece])
        position += piece
        found += [(start, row.tolist()) for start, row in zip(starts, windows, strict=True)]
    last = cutter.finish()
    return found if last is None else [*found, (last[1], last[0].tolist())]


@given(
    length=st.integers(0, 200),
    pieces=st.lists(st.integers(0, 60), max_size=12),
    window=st.integers(1, 40),
    share=st.floats(0.05, 1.0),
)
def test_any_division_gives_the_same_windows(length: int, pieces: list[int], window: int, share: float) -> None:
    sound = np.arange(1, length + 1, dtype=np.float32)
    hop, rest = max(1, round(share * window)), max(1, window // 2)
    whole = cut(sound, [], window, hop, rest)

    assert cut(sound, pieces, window, hop, rest) == whole
    for start, values in whole:
        assert values == sound[start : start + window].tolist()


def test_the_last_window_ends_with_the_last_sample() -> None:
    sound = np.arange(10, dtype=np.float32)
    assert [start for start, _ in cut(sound, [], window=4, hop=4, rest=2)] == [0, 4, 6]
    assert [start for start, _ in cut(sound, [], window=4, hop=4, rest=3)] == [0, 4]


def test_a_short_sound_is_one_short_window() -> None:
    assert cut(np.ones(3, dtype=np.float32), [], window=4, hop=4, rest=2) == [(0, [1, 1, 1])]


def test_no_sound_makes_no_window() -> None:
    assert cut(np.zeros(0, dtype=np.float32), [], window=4, hop=2, rest=2) == []


def test_memory_stays_at_a_window() -> None:
    cutter = WindowCutter(100, 30, 50)
    for _ in range(1000):
        cutter.push(np.zeros(17, dtype=np.float32))
    assert len(cutter._held) <= 100 + 17


def test_a_hop_beyond_the_window_is_refused() -> None:
    with pytest.raises(ValueError, match="hop"):
        WindowCutter(4, 5, 1)
