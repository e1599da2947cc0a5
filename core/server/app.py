"""The HTTP application: routes, the page, authentication, and problem responses; and ``WS /v1/live``.

The WebSocket takes sound and sends one prediction per window as soon as it is complete."""

import asyncio
import mimetypes
import time
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qs

import msgspec
import numpy as np
from fastapi import APIRouter, FastAPI, Request, WebSocket
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import MutableHeaders, QueryParams
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.inference.classifier import Stream
from core.inference.types import Segment
from core.server import routes
from core.server.auth import Auth, Refused
from core.server.schemas import ABOUT, Problem
from core.server.service import Metrics, Service, TokenBucket
from core.util.errors import UserError

router = APIRouter(prefix="/v1", tags=["live"])

BURST_SECONDS = 30.0
"""Sound that may arrive in a burst before `Limits.live_speed` applies: what a client has buffered."""
LARGEST_OVERLAP = 0.9
POLICY = 1008


@router.websocket("/live")
async def live(socket: WebSocket) -> None:
    """Receive binary messages of 16-bit little-endian mono PCM at the URL's ``rate``, until the text message ``end``.

    Sends JSON: ``{"type": "segment", ...}`` for every window, ``{"type": "end", "seconds"}``, and
    ``{"type": "problem", ...}`` before the server closes a socket because of an error.
    """
    service: Service = socket.app.state.service
    try:
        stream, rate = _stream(service, socket.query_params)
        if not service.socket_rate.spend():
            raise Problem(429, "too-many-sockets", "too many live sockets are being opened", {"Retry-After": "1"})
        async with service.sockets.one():
            await socket.accept()
            try:
                await _listen(socket, service, stream, rate)
            except Problem as problem:
                said = {"type": "problem", "kind": problem.kind, "status": problem.status, "detail": problem.detail}
                await _send(socket, said)
                await socket.close(POLICY, problem.kind)
    except Problem as problem:  # an error response to the handshake
        await socket.send_denial_response(problem.response())


async def _listen(socket: WebSocket, service: Service, stream: Stream, rate: int) -> None:
    """Classify until the sound ends.

    Raises:
        Problem: the client is silent, too fast, or sends something other than PCM.
    """
    allowed = TokenBucket(service.limits.live_speed * rate, BURST_SECONDS * rate)
    odd = b""
    while True:
        try:
            async with asyncio.timeout(service.limits.live_idle_seconds):
                message = await socket.receive()
        except TimeoutError:
            raise Problem(408, "no-sound", "no sound was received for too long") from None
        if message["type"] == "websocket.disconnect":
            return
        if message.get("text") is not None:
            if message["text"].strip() != "end":
                raise Problem(400, "bad-message", "send binary messages of 16-bit PCM, or the text: end")
            await _send_segments(socket, await service.in_live_thread(stream.finish))
            await _send(socket, {"type": "end", "seconds": round(stream.seconds, 3)})
            await socket.close()
            return
        data = odd + message["bytes"]
        samples, odd = data[: len(data) // 2 * 2], data[len(data) // 2 * 2 :]
        if not allowed.spend(len(samples) // 2):
            raise Problem(429, "too-fast", f"sound may come at {service.limits.live_speed:g} times its speed at most")
        wave_N = np.frombuffer(samples, "<i2").astype(np.float32) / np.float32(32768)
        await _send_segments(socket, await service.in_live_thread(stream.push, wave_N))


def _stream(service: Service, params: QueryParams) -> tuple[Stream, int]:
    """The stream that the URL's parameters describe.

    Raises:
        Problem: 422, a parameter is invalid.
    """
    try:
        rate, overlap = int(params["rate"]), float(params.get("overlap", "0"))
    except KeyError:
        raise Problem(422, "bad-rate", "state the sample rate in the address: /v1/live?rate=22050") from None
    except ValueError:
        raise Problem(422, "bad-rate", "rate is a whole number in Hz, and overlap a fraction") from None
    if not 0 <= overlap <= LARGEST_OVERLAP:
        raise Problem(422, "bad-overlap", f"overlap is a fraction from 0 to {LARGEST_OVERLAP:g}")
    try:
        return service.classifier.stream(rate, overlap=overlap), rate
    except UserError as error:
        raise Problem(422, "bad-rate", str(error)) from error


async def _send_segments(socket: WebSocket, segments: list[Segment]) -> None:
    for segment in segments:
        await _send(socket, {"type": "segment", **msgspec.to_builtins(segment)})


async def _send(socket: WebSocket, content: object) -> None:
    await socket.send_text(msgspec.json.encode(content).decode())


PAGE = Path(__file__).parent / "page"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "microphone=(self)",
}
HEALTH = "/v1/health"
"""Served without a token, for monitoring, and so is the page, which needs the API to show anything."""


def create_app(service: Service, auth: Auth) -> ASGIApp:
    """Build the ASGI application for a service."""
    # FastAPI's own documentation pages load scripts from a CDN; tools read /openapi.json.
    app = FastAPI(
        title="genre-tui",
        version="1",
        description=ABOUT,
        # Relative to openapi.json, so that it holds behind any proxy.
        servers=[{"url": auth.public_url or "."}],
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.service = service
    for part in (routes.router, routes.open_router, router):
        app.include_router(part)
    app.router.routes += [_page_route("/", PAGE / "index.html")]
    app.router.routes += [_page_route(f"/{path.name}", path) for path in sorted(PAGE.iterdir())]
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _failed)
    return AuthMiddleware(app, auth, service.metrics)


def _page_route(address: str, path: Path) -> Route:
    """Serve a file of the page, which is read once at start: requests never become paths."""
    content, kind = path.read_bytes(), mimetypes.guess_type(path.name)[0]

    async def answer(_: Request) -> Response:
        return Response(content, media_type=kind, headers={"Cache-Control": "no-cache"})

    return Route(address, answer, include_in_schema=False)


async def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return error.response()


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    said = "; ".join(f"{'.'.join(map(str, e['loc'][1:]))}: {e['msg'].lower()}" for e in error.errors())
    return Problem(422, "bad-parameter", said, unread=True).response()


async def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    kind = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
    return Problem(error.status_code, kind, str(error.detail), error.headers, unread=True).response()


async def _failed(_: Request, error: Exception) -> Response:
    return Problem(500, "failed", "internal error; see the server's log").response()


class AuthMiddleware:
    """The outermost ASGI application: checks origin and token, counts requests, and adds security headers."""

    def __init__(self, app: ASGIApp, auth: Auth, metrics: Metrics) -> None:
        self._app, self._auth, self._metrics = app, auth, metrics

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

        scope["path"] = self._auth.local_path(scope["path"])
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
            self._auth.check_origin(headers)
            if scope["path"] == "/metrics" or (scope["path"].startswith("/v1/") and scope["path"] != HEALTH):
                self._auth.check_token(headers)
        except Refused as refused:
            if refused.status == 401:
                return Problem(
                    401, "unauthorised", str(refused), {"WWW-Authenticate": "Bearer"}, unread=True
                ).response()
            return Problem(403, "forbidden", str(refused), unread=True).response()
        return None

    def _welcome(self, scope: Scope) -> Response | None:
        """Handle ``/?token=...``, the address printed at start: store the token in a cookie and redirect."""
        tokens = parse_qs(scope["query_string"].decode("latin-1")).get("token")
        if scope["type"] != "http" or scope["path"] != "/" or not tokens:
            return None
        if not self._auth.is_token(tokens[0]):
            return Problem(401, "unauthorised", "this is not the server's token").response()
        answer = RedirectResponse("./", status_code=303)  # relative: a proxy may have put a prefix before it
        if self._auth.needs_token:
            answer.set_cookie(self._auth.cookie, tokens[0], httponly=True, samesite="strict")
        return answer
