"""A per-user socket as a live source: one client at a time sends sound, from this machine or through SSH."""

import contextlib
import math
import os
import select
import socket
import threading
import time
import traceback
from collections import deque
from pathlib import Path

import msgspec

from core.audio.conversion import HIGHEST_RATE, LOWEST_RATE
from core.audio.live.pcm_stream import PcmDecoder, StreamError, sounds_random
from core.audio.live.source import KEPT_SECONDS, Chunk, Condition, RingBuffer, State
from core.audio.live.unix_socket import DEFAULT_RATE, listen_on
from core.util.errors import reason

SHOWN_SECONDS = 4.0
"""How long the end or error of a client is shown before the source waits for the next."""
PIECE = 1 << 15
STALL_SECONDS = 2.0
AHEAD_SECONDS = 1.0
"""How far a client may run ahead of real time before it is slowed down."""
CREDIT_SECONDS = 20.0
"""How much a client may catch up after its connection stalled."""
DRIFT = 1.02
"""Factor by which a microphone's clock may run too fast."""
LONGEST_GREETING = 1000
_GONE = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR
"""The client will send nothing more, but there may be something left to read."""


class _Greeting(msgspec.Struct):
    rate: int


class SocketConnection:
    """One client: what it has sent, and how fast it may send."""

    def __init__(self, link: socket.socket) -> None:
        self.link = link
        self.ring: RingBuffer | None = None
        self.rate = 0
        self._begins = True
        self._decoder: PcmDecoder | None = None
        self._greeting = b""
        self._open_since = time.monotonic()
        """Time since which more may be read; in the future while the client is slowed down."""
        self._granted_at = self._open_since
        self._credit = AHEAD_SECONDS
        self._held_since: float | None = None
        self._is_fast = False
        self._is_random = False

    @property
    def condition(self) -> Condition:
        silent = time.monotonic() - self._open_since
        if silent > STALL_SECONDS:
            return Condition(State.STALLED, f"the sender has sent nothing for {silent:.0f} s")
        if self._is_random:
            return Condition(State.TROUBLE, "what is sent looks like random or compressed data, not samples")
        if self._decoder is None or not self.rate:
            return Condition(State.WAITING)
        fast = ", faster than real time: slowed down to it" if self._is_fast else ""
        note = f"; {self._decoder.note}" if self._decoder.note else ""
        return Condition(State.RECEIVING, f"sender, {self.rate:,} Hz{fast}{note}")

    def read(self, timeout: float) -> Chunk | None:
        """The sound since the last call."""
        if self.ring is None:
            return None
        samples = self.ring.read(timeout)
        if not len(samples):
            return None
        begins, self._begins = self._begins, False
        return Chunk(samples, self.rate, self.ring.arrived, begins)

    def pause(self) -> float:
        """Seconds until more may be read: credit grows with real time and shrinks with what is read."""
        now = time.monotonic()
        self._credit = min(self._credit + DRIFT * (now - self._granted_at), AHEAD_SECONDS + CREDIT_SECONDS)
        self._granted_at = now
        return max(0.0, -self._credit)

    def receive(self) -> bool:
        """Read what has arrived; returns whether there may be more.

        Raises:
            StreamError: what was sent is not sound.
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
        self._is_random = sounds_random(samples)
        self.ring.write(samples)
        self._spend(len(samples) / self.rate)
        return True

    def _spend(self, seconds: float) -> None:
        self._credit -= seconds
        now = time.monotonic()
        self._open_since = now + max(0.0, -self._credit)
        if self._credit > AHEAD_SECONDS / 2:
            self._held_since = None
            self._is_fast = False
        elif self._credit < 0 and self._held_since is None:
            self._held_since = now
        if self._held_since is not None and now - self._held_since > STALL_SECONDS and not self._is_fast:
            self._is_fast = True
            self.say("the sound arrives faster than real time and is slowed down")

    def _read_greeting(self) -> bytes:
        """The bytes after the greeting once it is complete, or all of them if there is none."""
        if not self._greeting.startswith(b"{"):
            self._decoder = PcmDecoder(DEFAULT_RATE)
            return self._greeting
        line, newline, rest = self._greeting.partition(b"\n")
        if not newline and len(line) <= LONGEST_GREETING:
            return b""
        if len(line) > LONGEST_GREETING:
            raise StreamError("the first line is too long for a greeting")
        try:
            rate = msgspec.json.decode(line, type=_Greeting).rate
        except (msgspec.DecodeError, RecursionError) as error:
            raise StreamError('the first line must be a greeting such as {"rate": 22050}') from error
        if not LOWEST_RATE <= rate <= HIGHEST_RATE:
            raise StreamError(f"a rate of {rate} Hz cannot be played")
        self._decoder = PcmDecoder(rate)
        return rest

    def say(self, text: str) -> None:
        """Send a line to the client if it still reads."""
        with contextlib.suppress(OSError):
            self.link.send(text.encode(errors="replace") + b"\n", socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT)


class SocketSource:
    """Listens in a thread of its own. Clients come and go; their errors are sent back to them and shown."""

    def __init__(self, path: Path) -> None:
        """
        Raises:
            SocketError: another process listens there, or the path cannot be used.
        """
        self.path = path
        self._server = listen_on(path)
        self._server.setblocking(False)
        self._wake, self._woken = os.pipe()
        self._client: SocketConnection | None = None
        self._unread: deque[SocketConnection] = deque()
        """Clients whose sound has not been read to its end, the current one last."""
        self._last: tuple[float, Condition] | None = None
        self._earlier_overruns = 0
        self._closing = False
        self._thread = threading.Thread(target=self._serve, name="sound socket", daemon=True)
        self._thread.start()

    @property
    def condition(self) -> Condition:
        client, last = self._client, self._last
        if client is not None:
            return client.condition
        if last is not None and time.monotonic() - last[0] < SHOWN_SECONDS:
            return last[1]
        return Condition(State.WAITING, f"waiting for genre-tui feed on {self.path}")

    @property
    def overruns(self) -> int:
        client = self._client
        return self._earlier_overruns + (client.ring.overruns if client and client.ring else 0)

    def read(self, timeout: float) -> Chunk | None:
        # The sound of a client that has disconnected is read to its end before that of the next.
        while self._unread and self._unread[0] is not self._client:
            earlier = self._unread[0]
            if (chunk := earlier.read(0)) is not None:
                return chunk
            self._unread.popleft()
        if self._unread and self._unread[0].ring is not None:
            return self._unread[0].read(timeout)
        time.sleep(timeout)
        return None

    def close(self) -> None:
        self._closing = True
        os.write(self._woken, b"!")
        self._thread.join()
        for descriptor in (self._wake, self._woken):
            os.close(descriptor)

    def _serve(self) -> None:
        poll = select.poll()
        poll.register(self._server, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        with self._server:
            while not self._closing:
                client, pause = self._client, 0.0
                if client is not None:
                    pause = client.pause()
                    # A client that is slowed down is still watched for its end.
                    poll.register(client.link, _GONE | (0 if pause > 0 else select.POLLIN))
                for descriptor, event in poll.poll(math.ceil(1000 * pause) if pause > 0 else None):
                    if descriptor == self._server.fileno():
                        self._accept()
                    elif client is not None and descriptor == client.link.fileno():
                        last = self._receive(client, to_the_end=bool(event & _GONE))
                        if last is not None:
                            poll.unregister(client.link)
                            self._drop(client, last)
            if self._client is not None:
                self._client.say("! the listener has ended")
                self._client.link.close()
        self.path.unlink(missing_ok=True)

    def _accept(self) -> None:
        try:
            link, _ = self._server.accept()
        except OSError:  # the client has already disconnected, or no descriptors are left
            time.sleep(0.05)
            return
        if self._client is not None:
            with link, contextlib.suppress(OSError):
                link.sendall(b"! another sender is connected: stop it first\n")
            return
        link.setblocking(False)
        self._client = client = SocketConnection(link)
        self._unread.append(client)

    def _receive(self, client: SocketConnection, *, to_the_end: bool) -> Condition | None:
        """Read what the client has sent; returns how it ended, or None while it continues.

        ``to_the_end`` reads everything that a client has left after it disconnected, without slowing it down: the
        socket's buffer holds only a few seconds, and the next client can connect.
        """
        try:
            while client.receive():
                if not to_the_end:
                    return None
            return Condition(State.WAITING, "the sender has ended")
        except BlockingIOError:
            return None
        except StreamError as error:
            client.say(f"! {error}")
            return Condition(State.TROUBLE, f"what was sent was refused: {error}")
        except OSError as error:
            return Condition(State.WAITING, f"the sender has disconnected ({reason(error)})")
        except Exception as error:  # whatever one client sends ends only that client
            traceback.print_exc()
            client.say(f"! internal error: {type(error).__name__}")
            return Condition(State.TROUBLE, f"what was sent was refused: internal error ({type(error).__name__})")

    def _drop(self, client: SocketConnection, last: Condition) -> None:
        client.link.close()
        self._earlier_overruns += client.ring.overruns if client.ring else 0
        self._last = (time.monotonic(), last)
        self._client = None
