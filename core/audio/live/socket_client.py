"""The client's end of the socket: copies what a descriptor gives."""

import contextlib
import os
import select
import socket
from collections.abc import Callable
from pathlib import Path

from core.audio.live.socket_path import SocketError, connect_to

PIECE = 1 << 16


def feed(descriptor: int, path: Path, rate: int, on_message: Callable[[str], object]) -> int:
    """Sends what can be read from ``descriptor`` until that ends; returns the number of bytes.

    Args:
        rate: of bare samples, in Hz; a WAV header states its own.
        on_message: is called with each line from the listener.

    Raises:
        SocketError: no process listens, or the listener refuses or ends.
    """
    sent = 0
    with connect_to(path) as link:
        exchange = _Exchange(link, on_message)
        exchange.send(f'{{"rate": {rate}}}\n'.encode())
        while True:
            ready, _, _ = select.select([descriptor, link.fileno()], [], [])
            if link.fileno() in ready:
                exchange.read_answers()
            if descriptor in ready:
                data = os.read(descriptor, PIECE)
                if not data:
                    break
                exchange.send(data)
                sent += len(data)
        with contextlib.suppress(OSError):
            link.shutdown(socket.SHUT_WR)
        exchange.read_to_the_end()
    return sent


class _Exchange:
    """Both directions of the socket: answers are read while sending has to wait."""

    def __init__(self, link: socket.socket, on_message: Callable[[str], object]) -> None:
        self._link = link
        self._on_message = on_message
        self._held = b""
        link.setblocking(False)

    def send(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            readable, writable, _ = select.select([self._link], [self._link], [])
            if readable:
                self.read_answers()
            if writable:
                try:
                    rest = rest[self._link.send(rest) :]
                except (BrokenPipeError, ConnectionResetError):
                    self.read_to_the_end()
                    raise SocketError("the listener has gone") from None

    def read_answers(self) -> None:
        """
        Raises:
            SocketError: the listener refuses, or has ended.
        """
        if not self._read():
            raise SocketError("the listener has gone")

    def read_to_the_end(self) -> None:
        """Until the listener hangs up.

        Raises:
            SocketError: its last message was a refusal.
        """
        while select.select([self._link], [], [], 5.0)[0] and self._read():
            pass

    def _read(self) -> bool:
        try:
            data = self._link.recv(PIECE)
        except ConnectionResetError:
            return False
        self._held += data
        *lines, self._held = self._held.split(b"\n")
        for line in lines:
            text = line.decode(errors="replace")
            if text.startswith("!"):
                raise SocketError(text[1:].strip())
            self._on_message(text)
        return bool(data)
