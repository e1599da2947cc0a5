"""Standard input as a source: read as fast as it comes and as fast as it is wanted, so that nothing is ever lost."""

import os
import select
import time

from core.audio.live.pcm_stream import PcmDecoder, sounds_random
from core.audio.live.source import Chunk, Condition, EndOfSound, State

PIECE = 1 << 16
STALL_SECONDS = 2.0


class PipeSource:
    """A file is read at any speed; a live sender is slowed down by the pipe where it is too fast."""

    overruns = 0

    def __init__(self, descriptor: int, rate: int) -> None:
        """Args:
        rate: of bare samples, in Hz; a WAV header says it by itself.
        """
        self._descriptor = descriptor
        self._decoder = PcmDecoder(rate)
        self._arrived = time.monotonic()
        self._begins = True
        self._odd = False

    @property
    def condition(self) -> Condition:
        silent = time.monotonic() - self._arrived
        if silent > STALL_SECONDS:
            return Condition(State.STALLED, f"standard input has sent nothing for {silent:.0f} s")
        if self._odd:
            return Condition(State.TROUBLE, "this looks like random or compressed data, not 16-bit samples")
        rate = self._decoder.rate
        return Condition(State.HEARING, f"standard input, {rate:,} Hz") if rate else Condition(State.WAITING)

    def read(self, timeout: float) -> Chunk | None:
        ready, _, _ = select.select([self._descriptor], [], [], timeout)
        if not ready:
            return None
        data = os.read(self._descriptor, PIECE)
        if not data:
            self._decoder.end()
            raise EndOfSound
        self._arrived = time.monotonic()
        samples = self._decoder.push(data)
        if not len(samples) or self._decoder.rate is None:
            return None
        self._odd = sounds_random(samples)
        begins, self._begins = self._begins, False
        return Chunk(samples, self._decoder.rate, self._arrived, begins)

    def close(self) -> None:
        """The descriptor is not this object's own."""
