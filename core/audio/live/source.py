"""What every live source of sound has in common, and the ring buffer between its capturing thread and its reader."""

import threading
import time
from enum import StrEnum
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Waveform = npt.NDArray[np.float32]
KEPT_SECONDS = 60
"""The most sound that waits for its reader; what is older is lost and counted."""


class State(StrEnum):
    WAITING = "waiting"
    """Nothing is connected yet."""
    RECEIVING = "receiving"
    STALLED = "stalled"
    """Sound should be coming and does not."""
    TROUBLE = "trouble"
    """Something is wrong; the text says what. The source recovers by itself when that is put right."""


class Condition(NamedTuple):
    """The state of a source, with a sentence for people."""

    state: State
    text: str = ""


class Chunk(NamedTuple):
    """Mono samples with full scale at 1."""

    samples: Waveform
    rate: int
    arrived: float
    """`time.monotonic` at which the last of them came in."""
    begins: bool = False
    """Whether they are the first of a new sound, unconnected with what came before."""


class EndOfSound(Exception):
    """The source has come to its end; there will be no more."""


class Source(Protocol):
    """Captures by itself, in the background, from the moment it is made."""

    @property
    def condition(self) -> Condition: ...

    @property
    def overruns(self) -> int:
        """How many times sound was lost before it could be read, here or in the machine's drivers."""

    def read(self, timeout: float) -> Chunk | None:
        """What has come since the last call, waiting for up to ``timeout`` seconds; or None.

        Raises:
            EndOfSound: nothing more will come.
            UserError: what comes is not sound.
        """

    def close(self) -> None: ...


class RingBuffer:
    """Holds the last ``capacity`` samples. One thread writes, one reads.

    Attributes:
        written: samples that have been written in total.
        overruns: how many times samples were overwritten before they were read.
        arrived: `time.monotonic` of the last write.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.written = self.overruns = 0
        self.arrived = 0.0
        self._samples = np.zeros(capacity, dtype=np.float32)
        self._read = 0
        self._changed = threading.Condition()

    def write(self, y: Waveform) -> None:
        """Adds samples; the oldest make room. Never blocks for longer than a copy takes."""
        with self._changed:
            tail = y[-self.capacity :]
            at = (self.written + len(y) - len(tail)) % self.capacity
            first = min(len(tail), self.capacity - at)
            self._samples[at : at + first] = tail[:first]
            self._samples[: len(tail) - first] = tail[first:]
            self.written += len(y)
            self.arrived = time.monotonic()
            self._changed.notify_all()

    def read(self, timeout: float) -> Waveform:
        """What has come since the last call, waiting up to ``timeout`` seconds for something."""
        with self._changed:
            self._changed.wait_for(lambda: self.written > self._read, timeout)
            oldest = max(0, self.written - self.capacity)
            if self._read < oldest:
                self.overruns += 1
                self._read = oldest
            new = self._copy(self._read, self.written)
            self._read = self.written
            return new

    def last(self, samples: int) -> Waveform:
        """The latest ``samples``, fewer if fewer have come. Reading is not affected."""
        with self._changed:
            return self._copy(max(0, self.written - min(samples, self.capacity)), self.written)

    def _copy(self, start: int, end: int) -> Waveform:
        at, count = start % self.capacity, end - start
        first = min(count, self.capacity - at)
        return np.concatenate([self._samples[at : at + first], self._samples[: count - first]])
