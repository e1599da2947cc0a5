"""The server process: connection limits, signals and graceful shutdown."""

import asyncio
import logging
import resource
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import h11
import msgspec
from uvicorn import Config, Server
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from core.server.app import create_app
from core.server.auth import Auth
from core.server.client_errors import limited
from core.server.limits import Limits
from core.server.schemas import MEDIA_TYPE, Problem
from core.server.service import Service

HEADER_BYTES = 32 * 1024
"""Maximum size of the request line and headers."""
PATIENCE_SECONDS = 2.0
"""Seconds for sending a request, after which it may be dropped in favour of others."""


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
            problem = Problem(503, "busy", "too many connections are open; try again soon", {"Retry-After": "1"})
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

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        super().handle_websocket_upgrade(event)
        protocol: Any = self.transport.get_protocol()
        if not protocol.handshake_initiated:
            # The websockets library rejects such a request (not GET, or with a body) and uvicorn would keep it open.
            problem = Problem(400, "bad-handshake", "a live socket is opened with GET and without a body")
            self.transport.write(_plain_response(problem))
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_timer()
        super().connection_lost(exc)

    @property
    def is_busy(self) -> bool:
        """Whether a request is being answered."""
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def rate(self) -> float:
        """Bytes received per second."""
        return self._received / max(time.monotonic() - self._since, 1e-3)

    def _make_room(self) -> bool:
        """Drop the oldest idle connection, or else the slowest of those still sending a request."""
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
    """A complete response for a connection whose request is not read."""
    body = msgspec.json.encode(problem.as_dict())
    headers = {**problem.headers, "Content-Type": MEDIA_TYPE, "Content-Length": len(body), "Connection": "close"}
    lines = [f"HTTP/1.1 {problem.status} {problem.as_dict()['title']}", *(f"{k}: {v}" for k, v in headers.items())]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode() + body


MESSAGE_BYTES = 1024 * 1024
"""Largest message on a live socket."""
REFUSED_HANDSHAKE = "ASGI callable returned without completing handshake."
"""What uvicorn logs as an error whenever a live socket is refused with a response."""
CLIENT_ERRORS = (
    "Invalid HTTP request received.",
    "Unsupported upgrade request.",
    "Invalid UTF-8 sequence received from client.",
)
"""What uvicorn logs about requests that do not reach the app."""


def _is_error(record: logging.LogRecord) -> bool:
    """Filter out refused sockets: the client was told why, and /metrics has the counts."""
    return record.msg != REFUSED_HANDSHAKE


def _is_client_error(record: logging.LogRecord) -> bool:
    return record.msg in CLIENT_ERRORS


class GenreServer(Server):
    """uvicorn, which notifies the service first on shutdown."""

    def __init__(self, config: Config, service: Service, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._service, self._on_ready = service, on_ready

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn's own handler raises the signal again at the end, which would kill the process before its clean-up.
        former = {kind: signal.signal(kind, self.handle_exit) for kind in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for kind, handler in former.items():
                signal.signal(kind, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._service.stopping.set()
        await super().shutdown(sockets)


def run_server(
    service: Service,
    listener: socket.socket,
    token: str | None,
    on_ready: Callable[[], None] = lambda: None,
    public_url: str = "",
) -> None:
    """Serve until SIGINT or SIGTERM, then complete the requests in progress.

    Args:
        on_ready: called once the server accepts requests.
        public_url: the address that a proxy gives the server.
    """
    host, port = listener.getsockname()[:2]
    _raise_descriptor_limit()
    config = Config(
        create_app(service, Auth(token, host, port, public_url)),
        http=_guarded(service.limits),
        ws="websockets-sansio",
        ws_max_size=MESSAGE_BYTES,
        ws_per_message_deflate=False,  # PCM hardly compresses, and a compressed message could expand without bound
        h11_max_incomplete_event_size=HEADER_BYTES,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=round(service.limits.answer_seconds),
        log_level="warning",
        access_log=False,  # /metrics has the counts; an access log would hold tokens and file names
        server_header=False,
        proxy_headers=False,
        lifespan="off",
    )
    logging.getLogger("uvicorn.error").addFilter(_is_error)
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # its messages are in the responses
    try:
        with limited("uvicorn.error", _is_client_error):
            asyncio.run(GenreServer(config, service, on_ready).serve([listener]))
    finally:
        service.close()


def _guarded(limits: Limits) -> type[GuardedProtocol]:
    """uvicorn instantiates a protocol class per connection, so the limits are bound to the class."""
    return type("Guarded", (GuardedProtocol,), {"limits": limits})


def _raise_descriptor_limit() -> None:
    """Raise the limit on descriptors: every connection and every upload needs one, and 1,024 are too few."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
