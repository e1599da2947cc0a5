"""``WS /v1/live``: sound in, one prediction per window as soon as it is complete."""

import asyncio

import msgspec
import numpy as np
from fastapi import APIRouter, WebSocket
from starlette.datastructures import QueryParams

from core.inference.classifier import Stream
from core.inference.types import Segment
from core.server.schemas import Problem
from core.server.service import Service, TokenBucket
from core.util.errors import UserError

router = APIRouter(prefix="/v1", tags=["live"])

BURST_SECONDS = 30.0
"""Sound that may arrive in a burst before `Limits.live_speed` applies: what a client has buffered."""
LARGEST_OVERLAP = 0.9
POLICY = 1008


@router.websocket("/live")
async def live(socket: WebSocket) -> None:
    """Receives binary messages of 16-bit little-endian mono PCM at the URL's ``rate``, until the text message ``end``.

    Sends JSON: ``{"type": "segment", ...}`` for every window, ``{"type": "end", "seconds"}``, and
    ``{"type": "problem", ...}`` before the server closes a socket because of an error.
    """
    service: Service = socket.app.state.service
    try:
        stream, rate = _stream(service, socket.query_params)
        if not service.socket_rate.spend():
            raise Problem(429, "too-many-sockets", "live sockets are opened too fast", {"Retry-After": "1"})
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
    """Classifies until the sound ends.

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
            raise Problem(408, "no-sound", "no sound came for too long") from None
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
