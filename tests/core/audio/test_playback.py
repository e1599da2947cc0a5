"""Playing a file: from a position, to its end, or until it is stopped."""

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from core.audio import playback
from core.audio.playback import BLOCK_SECONDS, Player
from tests.support.sounds import write

RATE = 22_050
BLOCKS = 6


class FakeOutput:
    """A sound output that takes a block whenever it is allowed to."""

    def __init__(self) -> None:
        self.blocks: list[np.ndarray[Any, Any]] = []
        self.may_write = threading.Semaphore(0)

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


def test_the_end_is_told_once(output: FakeOutput, sound: Path) -> None:
    ended = threading.Semaphore(0)
    player = Player(ended.release)
    player.play(sound, 1.2)
    output.may_write.release(BLOCKS)
    assert ended.acquire(timeout=30)
    assert levels(output) == [0.3, 0.4, 0.5, 0.6]
    player.stop()
    assert not ended.acquire(blocking=False)


def test_what_is_stopped_does_not_end(output: FakeOutput, sound: Path) -> None:
    ended: list[bool] = []
    player = Player(lambda: ended.append(True))
    player.play(sound)
    stopping = threading.Thread(target=player.stop)
    stopping.start()
    output.may_write.release(BLOCKS)
    stopping.join(timeout=30)
    assert not ended and len(output.blocks) < BLOCKS
