"""Playing a file: from a position, to its end, or until it is stopped."""

import queue
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from core.audio import playback
from core.audio.playback import BLOCK_SECONDS, PIECES, Player
from tests.support.sounds import write

RATE = 22_050
BLOCKS = 6


class FakeOutput:
    """A sound output that takes a piece whenever it is allowed to, and plays it half a block later."""

    latency = BLOCK_SECONDS / 2

    def __init__(self) -> None:
        self.blocks: list[np.ndarray[Any, Any]] = []
        self.may_write = threading.Semaphore(0)
        self.unplugged_after = 1_000

    def __call__(self, **_: object) -> "FakeOutput":
        return self

    def __enter__(self) -> "FakeOutput":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def start(self) -> None:
        pass

    def abort(self) -> None:
        pass

    def write(self, block: np.ndarray[Any, Any]) -> None:
        self.may_write.acquire()
        if len(self.blocks) == self.unplugged_after:
            raise OSError("the device is gone")
        self.blocks.append(block)


@pytest.fixture
def output(monkeypatch: pytest.MonkeyPatch) -> FakeOutput:
    fake = FakeOutput()
    module = SimpleNamespace(OutputStream=fake, PortAudioError=OSError)
    monkeypatch.setattr(playback, "portaudio", lambda: module)
    return fake


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    """Every block has a level of its own."""
    levels = np.repeat(np.arange(1, BLOCKS + 1) / 10, round(BLOCK_SECONDS * RATE))
    write(tmp_path / "sound.wav", levels.astype(np.float32), RATE)
    return tmp_path / "sound.wav"


def levels(output: FakeOutput) -> list[float]:
    return [round(float(np.mean(block)), 1) for block in output.blocks]


def test_positions_are_those_that_are_heard_and_the_end_is_reported_once(output: FakeOutput, sound: Path) -> None:
    told: queue.Queue[float | None] = queue.Queue()
    player = Player(told.put)
    player.play(sound, 1.2)
    output.may_write.release(PIECES * BLOCKS)
    positions = [told.get(timeout=30) for _ in range(5)]
    assert positions == [*(pytest.approx(1.25 + BLOCK_SECONDS * number) for number in range(4)), None]
    assert sum(map(len, output.blocks)) == round((BLOCKS * BLOCK_SECONDS - 1.2) * RATE)
    assert levels(output) == [level for level in (0.3, 0.4, 0.5, 0.6) for _ in range(PIECES)]
    player.stop()
    assert told.empty()


def test_a_start_beyond_the_end_plays_the_last_block(output: FakeOutput, sound: Path) -> None:
    told: queue.Queue[float | None] = queue.Queue()
    Player(told.put).play(sound, 60.0)
    output.may_write.release(PIECES)
    assert [told.get(timeout=30), told.get(timeout=30)] == [pytest.approx(2.75), None]
    assert set(levels(output)) == {0.6}


def test_what_is_stopped_does_not_end(output: FakeOutput, sound: Path) -> None:
    told: list[float | None] = []
    player = Player(told.append)
    player.play(sound)
    stopping = threading.Thread(target=player.stop)
    stopping.start()
    output.may_write.release(PIECES * BLOCKS)
    stopping.join(timeout=30)
    assert None not in told and len(output.blocks) < PIECES * BLOCKS


def test_playing_ends_where_the_output_is_unplugged(output: FakeOutput, sound: Path) -> None:
    told: queue.Queue[float | None] = queue.Queue()
    player = Player(told.put)
    output.unplugged_after = PIECES + 2
    player.play(sound)
    output.may_write.release(PIECES * BLOCKS)
    assert [told.get(timeout=30), told.get(timeout=30)] == [pytest.approx(0.25), None]
