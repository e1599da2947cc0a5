"""A request's body as it arrives, held to the limits."""

import asyncio
import time
from collections.abc import AsyncGenerator

from starlette.requests import ClientDisconnect, Request

from core.serving.limits import Limits
from core.serving.problems import Problem


async def read_body(request: Request, limits: Limits) -> AsyncGenerator[bytes, None]:
    """The body's pieces, a few dozen kilobytes each.

    Raises:
        Problem: 413, it is too large, told from the header where that says so; 408, it comes too slowly; 400, the
            client went away.
    """
    promised = request.headers.get("content-length", "0")
    if promised.isdecimal() and int(promised) > limits.body_bytes:
        raise _too_large(limits)
    began, received = time.monotonic(), 0
    pieces = aiter(request.stream())
    while True:
        try:
            async with asyncio.timeout(limits.body_grace_seconds):
                piece = await anext(pieces)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise _too_slow() from None
        except ClientDisconnect:
            raise Problem(400, "disconnected", "the client went away before the body was whole") from None
        received += len(piece)
        if received > limits.body_bytes:
            raise _too_large(limits)
        counted = time.monotonic() - began - limits.body_grace_seconds
        if counted > 0 and received < counted * limits.body_bytes_per_second:
            raise _too_slow()
        yield piece


def _too_large(limits: Limits) -> Problem:
    return Problem(413, "body-too-large", f"a body may hold {limits.body_bytes:,} bytes at most", unread=True)


def _too_slow() -> Problem:
    return Problem(408, "body-too-slow", "the body comes too slowly", unread=True)
