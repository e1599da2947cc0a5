"""A per-user socket as a source: one feeder at a time sends sound to it, from this machine or through SSH."""

import contextlib
import os
import selectors
import threading
import time
from collections import deque
from pathlib import Path

from core.audio.live.pcm_stream import WireError
from core.audio.live.socket_connection import Feeder
from core.audio.live.socket_path import listen_on
from core.audio.live.source import Chunk, Condition, State

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
        self._feeder: Feeder | None = None
        self._unheard: deque[Feeder] = deque()
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
            self._feeder = feeder = Feeder(link)
            self._unheard.append(feeder)

    def _hear(self, feeder: "Feeder", selector: selectors.BaseSelector) -> None:
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
