"""A per-user socket as a source: one feeder at a time sends sound to it, from this machine or through SSH."""

import contextlib
import json
import os
import selectors
import socket
import threading
import time
from collections import deque
from pathlib import Path

from core.audio.feed_socket import DEFAULT_RATE, listen_on
from core.audio.resampler import HIGHEST_RATE, LOWEST_RATE
from core.audio.ring import RingBuffer
from core.audio.source import KEPT_SECONDS, Chunk, Condition, State
from core.audio.wire import WireDecoder, WireError, sounds_random

PIECE = 1 << 15
STALL_SECONDS = 2.0
AHEAD_SECONDS = 1.0
"""How far a feeder may run ahead of real time before it is held back."""
CREDIT_SECONDS = 20.0
"""How much a feeder may catch up on after its line was stuck."""
DRIFT = 1.02
"""Clocks differ; a microphone that runs this much too fast is let be."""
TOLD_SECONDS = 4.0
"""How long a feeder's end or mistake is shown before the wait for the next begins to be shown again."""


class SocketSource:
    """Listens in a thread of its own. Feeders come and go; what they do wrong is told to them and shown."""

    def __init__(self, path: Path) -> None:
        """
        Raises:
            SocketError: somebody listens there already, or the place cannot be used.
        """
        self.path = path
        self._server = listen_on(path)
        self._server.setblocking(False)
        self._wake, self._woken = os.pipe()
        self._feeder: _Feeder | None = None
        self._unheard: deque[_Feeder] = deque()
        """Feeders whose sound has not been read to its end, the present one last."""
        self._last: tuple[float, Condition] | None = None
        self._earlier_overruns = 0
        self._closing = False
        self._thread = threading.Thread(target=self._serve, name="feed socket", daemon=True)
        self._thread.start()

    @property
    def condition(self) -> Condition:
        feeder, last = self._feeder, self._last
        if feeder is not None:
            return feeder.condition
        if last is not None and time.monotonic() - last[0] < TOLD_SECONDS:
            return last[1]
        return Condition(State.WAITING, f"waiting for a feeder on {self.path}")

    @property
    def overruns(self) -> int:
        feeder = self._feeder
        return self._earlier_overruns + (feeder.ring.overruns if feeder and feeder.ring else 0)

    def read(self, timeout: float) -> Chunk | None:
        # A feeder that has gone is heard to its end before the next.
        while self._unheard and self._unheard[0] is not self._feeder:
            heard = self._unheard[0]
            if (chunk := heard.read(0)) is not None:
                return chunk
            self._unheard.popleft()
        if not self._unheard or (chunk := self._unheard[0].read(timeout)) is None:
            time.sleep(timeout)
            return None
        return chunk

    def close(self) -> None:
        self._closing = True
        os.write(self._woken, b"!")
        self._thread.join()
        for descriptor in (self._wake, self._woken):
            os.close(descriptor)

    def _serve(self) -> None:
        with selectors.DefaultSelector() as selector, self._server:
            selector.register(self._server, selectors.EVENT_READ)
            selector.register(self._wake, selectors.EVENT_READ)
            while not self._closing:
                feeder = self._feeder
                pause = feeder.pause() if feeder else 0.0
                watched = {key.fileobj for key in selector.get_map().values()}
                if feeder and pause <= 0 and feeder.link not in watched:
                    selector.register(feeder.link, selectors.EVENT_READ)
                elif feeder and pause > 0 and feeder.link in watched:
                    selector.unregister(feeder.link)
                for key, _ in selector.select(pause if pause > 0 else None):
                    if key.fileobj is self._server:
                        self._welcome()
                    elif feeder is not None and key.fileobj is feeder.link:
                        self._hear(feeder, selector)
            if self._feeder is not None:
                self._feeder.say("! the listener has ended")
                self._feeder.link.close()
        self.path.unlink(missing_ok=True)

    def _welcome(self) -> None:
        with contextlib.suppress(OSError):  # gone before it was answered
            link, _ = self._server.accept()
            if self._feeder is not None:
                with link:
                    link.sendall(b"! another feeder is connected; it has to end first\n")
                return
            link.setblocking(False)
            self._feeder = feeder = _Feeder(link)
            self._unheard.append(feeder)

    def _hear(self, feeder: "_Feeder", selector: selectors.BaseSelector) -> None:
        try:
            going_on = feeder.take()
            last = Condition(State.WAITING, "the feeder has ended")
        except WireError as error:
            going_on, last = False, Condition(State.TROUBLE, f"the feeder was refused: {error}")
            feeder.say(f"! {error}")
        except OSError as error:
            going_on, last = False, Condition(State.WAITING, f"the feeder has gone ({error.strerror or error})")
        if going_on:
            return
        selector.unregister(feeder.link)
        feeder.link.close()
        self._earlier_overruns += feeder.ring.overruns if feeder.ring else 0
        self._last = (time.monotonic(), last)
        self._feeder = None


class _Feeder:
    """One connection: what it has said, and how fast it may go on."""

    def __init__(self, link: socket.socket) -> None:
        self.link = link
        self.ring: RingBuffer | None = None
        self.rate = 0
        self._begins = True
        self._decoder: WireDecoder | None = None
        self._greeting = b""
        self._heard_at = time.monotonic()
        self._granted_at = self._heard_at
        self._credit = AHEAD_SECONDS
        self._held_since: float | None = None
        self._told_fast = False
        self._odd = False

    @property
    def condition(self) -> Condition:
        now = time.monotonic()
        if self._odd:
            return Condition(State.TROUBLE, "the feeder sends what looks like random or compressed data, not samples")
        if self._told_fast:
            return Condition(State.HEARING, f"feeder, {self.rate:,} Hz, faster than real time: held back to it")
        silent = now - self._heard_at
        if silent > STALL_SECONDS:
            return Condition(State.STALLED, f"the feeder has sent nothing for {silent:.0f} s")
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
        self._heard_at = time.monotonic()
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
