"""Error responses as ``application/problem+json`` (RFC 9457)."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

MEDIA_TYPE = "application/problem+json"
LINGER_SECONDS = 2.0


class Problem(Exception):
    """An error response. ``kind`` is stable and meant for programs, ``detail`` for people."""

    def __init__(
        self, status: int, kind: str, detail: str, headers: Mapping[str, str] | None = None, *, unread: bool = False
    ) -> None:
        """Args:
        unread: the request body has not been read to its end.
        """
        super().__init__(detail)
        self.status, self.kind, self.detail, self.unread = status, kind, detail, unread
        self.headers = dict(headers or {})

    def as_dict(self) -> dict[str, object]:
        title = HTTPStatus(self.status).phrase
        return {"type": f"urn:genre-tui:{self.kind}", "title": title, "status": self.status, "detail": self.detail}

    def response(self) -> Response:
        kind = _ClosingResponse if self.unread else Response
        return kind(msgspec.json.encode(self.as_dict()), self.status, self.headers, MEDIA_TYPE)


class _ClosingResponse(Response):
    """Responds before the request body has been read, discards some of the rest, then closes the connection.

    Otherwise the kernel would answer the rest of the body with a reset, which many clients report instead of the
    response.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        self.headers["connection"] = "close"
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                while (await receive()).get("more_body", False):
                    pass
        await send({"type": "http.response.body", "body": b"", "more_body": False})
