"""What every live source of sound has in common, and the ring buffer between its capturing thread and its reader."""

import threading
import time
from enum import StrEnum
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Waveform = npt.NDArray[np.float32]
KEPT_SECONDS = 60
"""Sound that is kept for a reader; older sound is dropped and counted as an overrun."""


class State(StrEnum):
    WAITING = "waiting"
    """Nothing is connected yet."""
    RECEIVING = "receiving"
    STALLED = "stalled"
    """Something is connected but sends nothing."""
    TROUBLE = "trouble"
    """An error that the text describes; the source recovers by itself once it is resolved."""


class Condition(NamedTuple):
    """The state of a source, with a phrase for the user."""

    state: State
    text: str = ""


class Chunk(NamedTuple):
    """Mono samples with full scale at 1, and when they arrived."""

    samples: Waveform
    rate: int
    arrived: float
    """`time.monotonic` when the last of them arrived."""
    begins: bool = False
    """Whether they begin a new sound, unconnected with what came before."""


class EndOfSound(Exception):
    """The source has ended."""


class Source(Protocol):
    """Captures in the background from its creation on."""

    @property
    def condition(self) -> Condition: ...

    @property
    def overruns(self) -> int:
        """How often sound was lost before it was read, here or in the drivers."""

    def read(self, timeout: float) -> Chunk | None:
        """The sound since the last call, or None after ``timeout`` seconds without any.

        Raises:
            EndOfSound: nothing more will come.
            UserError: what arrives is not sound.
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
        """Append samples and drop the oldest ones. Never blocks for longer than a copy takes."""
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
        """The samples since the last call; waits up to ``timeout`` seconds if there are none."""
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
        """The latest ``samples``, or fewer if fewer were written. Does not affect `read`."""
        with self._changed:
            return self._copy(max(0, self.written - min(samples, self.capacity)), self.written)

    def _copy(self, start: int, end: int) -> Waveform:
        at, count = start % self.capacity, end - start
        first = min(count, self.capacity - at)
        return np.concatenate([self._samples[at : at + first], self._samples[: count - first]])
