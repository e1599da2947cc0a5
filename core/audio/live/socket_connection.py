"""Somebody who sends sound through the feed socket: what they said, and how fast they may go on."""

import contextlib
import json
import socket
import time

from core.audio.live.pcm_stream import WireDecoder, WireError, sounds_random
from core.audio.live.ring_buffer import RingBuffer
from core.audio.live.socket_path import DEFAULT_RATE
from core.audio.live.source import KEPT_SECONDS, Chunk, Condition, State
from core.audio.resample import HIGHEST_RATE, LOWEST_RATE

PIECE = 1 << 15
STALL_SECONDS = 2.0
AHEAD_SECONDS = 1.0
"""How far a feeder may run ahead of real time before it is held back."""
CREDIT_SECONDS = 20.0
"""How much a feeder may catch up on after its line was stuck."""
DRIFT = 1.02
"""Clocks differ; a microphone that runs this much too fast is let be."""


class Feeder:
    """One connection: what it has said, and how fast it may go on."""

    def __init__(self, link: socket.socket) -> None:
        self.link = link
        self.ring: RingBuffer | None = None
        self.rate = 0
        self._begins = True
        self._decoder: WireDecoder | None = None
        self._greeting = b""
        self._open_since = time.monotonic()
        """Since when more could be read; ahead of now while the feeder is held back."""
        self._granted_at = self._open_since
        self._credit = AHEAD_SECONDS
        self._held_since: float | None = None
        self._told_fast = False
        self._odd = False

    @property
    def condition(self) -> Condition:
        silent = time.monotonic() - self._open_since
        if silent > STALL_SECONDS:
            return Condition(State.STALLED, f"the feeder has sent nothing for {silent:.0f} s")
        if self._odd:
            return Condition(State.TROUBLE, "the feeder sends what looks like random or compressed data, not samples")
        if self._told_fast:
            return Condition(State.HEARING, f"feeder, {self.rate:,} Hz, faster than real time: held back to it")
        return Condition(State.HEARING, f"feeder, {self.rate:,} Hz") if self.rate else Condition(State.WAITING)

    def read(self, timeout: float) -> Chunk | None:
        """What has come since the last call."""
        if self.ring is None:
            return None
        samples = self.ring.read(timeout)
        if not len(samples):
            return None
        begins, self._begins = self._begins, False
        return Chunk(samples, self.rate, self.ring.arrived, begins)

    def pause(self) -> float:
        """Seconds until more may be read: real time passes, and what has been read is taken off."""
        now = time.monotonic()
        self._credit = min(self._credit + DRIFT * (now - self._granted_at), AHEAD_SECONDS + CREDIT_SECONDS)
        self._granted_at = now
        return max(0.0, -self._credit)

    def take(self) -> bool:
        """Reads what has come; returns whether there may be more.

        Raises:
            WireError: it is no sound.
        """
        data = self.link.recv(PIECE)
        if not data:
            if self._decoder is not None:
                self._decoder.end()
            return False
        self._open_since = time.monotonic()
        if self._decoder is None:
            self._greeting += data
            data = self._read_greeting()
        if self._decoder is None or not data:
            return True
        samples = self._decoder.push(data)
        if not len(samples) or self._decoder.rate is None:
            return True
        if self.ring is None:
            self.rate = self._decoder.rate
            self.ring = RingBuffer(KEPT_SECONDS * self.rate)
        self._odd = sounds_random(samples)
        self.ring.write(samples)
        self._spend(len(samples) / self.rate)
        return True

    def _spend(self, seconds: float) -> None:
        self._credit -= seconds
        now = time.monotonic()
        self._open_since = now + max(0.0, -self._credit)
        if self._credit > AHEAD_SECONDS / 2:
            self._held_since = None
            self._told_fast = False
        elif self._credit < 0 and self._held_since is None:
            self._held_since = now
        if self._held_since is not None and now - self._held_since > STALL_SECONDS and not self._told_fast:
            self._told_fast = True
            self.say("sound comes faster than real time; it is taken at real time")

    def _read_greeting(self) -> bytes:
        """What follows the greeting, once that is whole; all of it where there is no greeting."""
        if not self._greeting.startswith(b"{"):
            self._decoder = WireDecoder(DEFAULT_RATE)
            return self._greeting
        line, newline, rest = self._greeting.partition(b"\n")
        if not newline:
            if len(line) > 1000:
                raise WireError("its greeting has no end")
            return b""
        try:
            rate = json.loads(line)["rate"]
            if not isinstance(rate, int) or not LOWEST_RATE <= rate <= HIGHEST_RATE:
                raise WireError(f"a rate of {rate} Hz cannot be played")
        except (ValueError, KeyError, TypeError) as error:
            raise WireError("its greeting is not understood") from error
        self._decoder = WireDecoder(rate)
        return rest

    def say(self, text: str) -> None:
        """A line to the feeder, if it still takes any."""
        with contextlib.suppress(OSError):
            self.link.send(text.encode() + b"\n", socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT)
