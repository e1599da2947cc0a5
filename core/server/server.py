"""The server process: sockets, signals, and an orderly end."""

import asyncio
import resource
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from uvicorn import Config, Server

from core.server.app import create_app
from core.server.auth import Auth
from core.server.http_protocol import HEADER_BYTES, GuardedProtocol
from core.server.limits import Limits
from core.server.service import Service

MESSAGE_BYTES = 1024 * 1024
"""Largest message on a live socket."""


class GenreServer(Server):
    """uvicorn, telling the service first when it is to end."""

    def __init__(self, config: Config, service: Service, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._service, self._on_ready = service, on_ready

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn's own raises the signal again at the end, and the process would die of it with its house untidy.
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
    service: Service, listener: socket.socket, token: str | None, on_ready: Callable[[], None] = lambda: None
) -> None:
    """Serves until SIGINT or SIGTERM, then answers what it has taken in.

    Args:
        on_ready: called when requests are answered from now on.
    """
    host, port = listener.getsockname()[:2]
    _raise_descriptor_limit()
    config = Config(
        create_app(service, Auth(token, host, port)),
        http=_guarded(service.limits),
        ws="websockets-sansio",
        ws_max_size=MESSAGE_BYTES,
        ws_per_message_deflate=False,  # sound does not shrink, and compressed messages could grow
        h11_max_incomplete_event_size=HEADER_BYTES,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=round(service.limits.answer_seconds),
        log_level="warning",
        access_log=False,  # /metrics counts; a log of requests would hold tokens and file names
        server_header=False,
        proxy_headers=False,
        lifespan="off",
    )
    try:
        asyncio.run(GenreServer(config, service, on_ready).serve([listener]))
    finally:
        service.close()


def _guarded(limits: Limits) -> type[GuardedProtocol]:
    """uvicorn makes a protocol for every connection by itself, so the limits come with the class."""
    return type("Guarded", (GuardedProtocol,), {"limits": limits})


def _raise_descriptor_limit() -> None:
    """A connection and an upload need a descriptor each; the usual 1,024 are a default for old programs."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
