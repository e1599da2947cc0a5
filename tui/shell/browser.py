"""The app in a browser: textual-serve, behind a token."""

import logging
import shlex
import socket
import sys
from collections.abc import Callable
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from textual_serve.server import Server

from core.server.auth import Auth, Refused
from core.server.client_errors import limited

HEADERS = {
    # The page asks for a font from elsewhere; the browser must not fetch it, and uses its own.
    "Content-Security-Policy": "default-src 'self' data:; script-src 'self' 'unsafe-inline'; "
    "style-src 'self' 'unsafe-inline'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def _is_client_error(record: logging.LogRecord) -> bool:
    """Whether aiohttp logs a malformed request."""
    return record.exc_info is not None and isinstance(record.exc_info[1], HttpProcessingError)


class WebServer(Server):
    """Starts an app for each visitor with the token."""

    def __init__(
        self, listener: socket.socket, token: str | None, app_arguments: list[str], public_url: str = ""
    ) -> None:
        """Args:
        app_arguments: what the app is started with, see ``genre-tui --help``.
        """
        command = shlex.join([sys.executable, "-m", "tui.cli", *app_arguments])
        host, port = listener.getsockname()[:2]
        super().__init__(command, host, port, title="genre-tui")
        self._listener, self._access = listener, Auth(token, host, port, public_url)

    def run(self, on_ready: Callable[[], None]) -> None:
        """Serve until SIGINT or SIGTERM."""
        self._on_ready = on_ready
        with limited("aiohttp.server", _is_client_error):
            web.run_app(self._make_app(), sock=self._listener, print=None)

    async def _make_app(self) -> web.Application:
        app = await super()._make_app()
        app.middlewares.append(self._guard)
        return app

    async def on_startup(self, app: web.Application) -> None:
        self._on_ready()  # textual-serve's own greeting names an address without the token

    async def handle_index(self, request: web.Request) -> Any:
        # The address that the visitor uses, which a forwarded port or a proxy makes another than the server's.
        self.public_url = self._access.public_url or f"{request.scheme}://{request.host}"
        return await super().handle_index(request)

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            self._access.check_origin(headers)
            token = request.query.get("token")
            if request.path == "/" and token is not None and self._access.is_token(token):
                welcome = web.HTTPSeeOther("./")  # relative: a proxy may have put a prefix before it
                welcome.set_cookie(self._access.cookie, token, httponly=True, samesite="Strict")
                raise welcome
            self._access.check_token(headers)
        except Refused as refused:
            return web.Response(status=refused.status, text=f"{refused}\n")
        response: web.StreamResponse = await handler(request)
        if not response.prepared:
            response.headers.update(HEADERS)
        return response
