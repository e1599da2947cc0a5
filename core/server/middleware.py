"""What every request passes on its way in and out: who may ask, what is counted, what a browser is told."""

import time
from urllib.parse import parse_qs

from starlette.datastructures import MutableHeaders
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.server.auth import Auth, Refused
from core.server.metrics import Metrics
from core.server.problems import Problem

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "microphone=(self)",
}
HEALTH = "/v1/health"
"""Answered without a token, for whoever looks after the process. So is the page, which is empty without answers."""


class AuthMiddleware:
    """The outermost ASGI application."""

    def __init__(self, app: ASGIApp, access: Auth, metrics: Metrics) -> None:
        self._app, self._access, self._metrics = app, access, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.monotonic()
        status = 500

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                status = message["status"]
                headers = MutableHeaders(raw=message["headers"])
                for name, value in HEADERS.items():
                    headers[name] = value
            elif message["type"] == "websocket.accept":
                status = 101
            await send(message)

        try:
            answer = self._refusal(scope) or self._welcome(scope)
            await (answer or self._app)(scope, receive, counted)
        finally:
            route = getattr(scope.get("route"), "path", "(none)")
            self._metrics.requests.labels(scope.get("method", "WEBSOCKET"), route, str(status)).inc()
            self._metrics.seconds.labels(route).observe(time.monotonic() - began)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            self._access.check_origin(headers)
            if scope["path"] == "/metrics" or (scope["path"].startswith("/v1/") and scope["path"] != HEALTH):
                self._access.check_token(headers)
        except Refused as refused:
            if refused.status == 401:
                return Problem(
                    401, "unauthorised", str(refused), {"WWW-Authenticate": "Bearer"}, unread=True
                ).response()
            return Problem(403, "forbidden", str(refused), unread=True).response()
        return None

    def _welcome(self, scope: Scope) -> Response | None:
        """``/?token=...``, the address that is printed at the start: the token goes into a cookie, out of sight."""
        tokens = parse_qs(scope["query_string"].decode("latin-1")).get("token")
        if scope["type"] != "http" or scope["path"] != "/" or not tokens:
            return None
        if not self._access.is_token(tokens[0]):
            return Problem(401, "unauthorised", "this is not the server's token").response()
        answer = RedirectResponse("/", status_code=303)
        answer.set_cookie(self._access.cookie, tokens[0], httponly=True, samesite="strict")
        return answer
