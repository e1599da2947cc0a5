"""Connections that hold on to the server without asking for anything: how long, and how many."""

import asyncio
import time
from typing import Any

import h11
import msgspec
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from core.server.limits import Limits
from core.server.problems import MEDIA_TYPE, Problem

HEADER_BYTES = 32 * 1024
PATIENCE_SECONDS = 2.0
"""A request may be sent for so long before it can be dropped in favour of others."""


class GuardedProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 with a time limit for request headers and a bound on open connections."""

    limits = Limits()

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._header_timer: asyncio.TimerHandle | None = None
        self._since = time.monotonic()
        self._received = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        if len(self.connections) >= self.limits.connections and not self._make_room():
            problem = Problem(503, "busy", "too many connections are open; try again soon")
            transport.write(_plain_response(problem))
            transport.close()
            self.transport = transport
            return
        super().connection_made(transport)
        self._await_headers()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._received += len(data)
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._cancel_timer()
        elif self._header_timer is None and not self.is_busy:
            self._await_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_timer()
        super().connection_lost(exc)

    @property
    def is_busy(self) -> bool:
        """Whether a request is being answered."""
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def rate(self) -> float:
        """Bytes a second that have come."""
        return self._received / max(time.monotonic() - self._since, 1e-3)

    def _make_room(self) -> bool:
        """Drops the oldest connection without a request, else the slowest of those still sending theirs."""
        guarded = [c for c in self.connections if isinstance(c, GuardedProtocol)]
        idle = [c for c in guarded if not c.is_busy]
        late = time.monotonic() - PATIENCE_SECONDS
        sending = [c for c in guarded if c.conn.their_state is h11.SEND_BODY and c._since < late]
        if idle:
            least = min(idle, key=lambda c: c._since)
        elif sending:
            least = min(sending, key=lambda c: c.rate)
        else:
            return False
        self.connections.discard(least)
        least.transport.abort()
        return True

    def _await_headers(self) -> None:
        self._header_timer = self.loop.call_later(self.limits.header_seconds, self._give_up)

    def _give_up(self) -> None:
        self._header_timer = None
        if not self.is_busy:
            self.transport.abort()

    def _cancel_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None


def _plain_response(problem: Problem) -> bytes:
    """A whole response, for a connection that no request is read from."""
    body = msgspec.json.encode(problem.as_dict())
    head = f"HTTP/1.1 {problem.status} {problem.as_dict()['title']}\r\nContent-Type: {MEDIA_TYPE}\r\nRetry-After: 1\r\n"
    return head.encode() + f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body
