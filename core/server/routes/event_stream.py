"""A run's journal as server-sent events, from any sequence number on, for as long as somebody listens."""

import asyncio

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from core.runs.folder import RunFolder
from core.runs.journal.events import AnyEvent
from core.runs.journal.journal import JournalReader
from core.server.problems import Problem
from core.server.service import Service

PIECE = 256 * 1024
"""Bytes of the journal that are read at a time."""
POLL_SECONDS = 0.25
HEARTBEAT_SECONDS = 15.0
"""A comment so often keeps proxies from giving up on a quiet run, and tells the client that the server is there."""


class EventStream(Response):
    """``id: SEQ``, ``event: KIND``, ``data: JSON`` for every event whose sequence number is ``first`` or above."""

    media_type = "text/event-stream"

    def __init__(self, service: Service, run: RunFolder, first: int, *, follow: bool) -> None:
        super().__init__(headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._service, self._first, self._follow = service, first, follow
        self._reader = JournalReader(run.journal_path)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with self._service.followers.one():
                await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
                await self._tell(receive, send)
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        except Problem as problem:
            await problem.response()(scope, receive, send)

    async def _tell(self, receive: Receive, send: Send) -> None:
        ends = {asyncio.create_task(_disconnected(receive)), asyncio.create_task(_waited(self._service.stopping))}
        loop = asyncio.get_running_loop()
        spoken = loop.time()
        try:
            while True:
                events = await asyncio.to_thread(self._reader.read, PIECE)
                text = b"".join(_as_text(event) for event in events if event.seq >= self._first)
                if not text and loop.time() - spoken > HEARTBEAT_SECONDS:
                    text = b":\n\n"
                if text:
                    await send({"type": "http.response.body", "body": text, "more_body": True})
                    spoken = loop.time()
                if not events and not self._follow:
                    return
                pause = 0 if events else POLL_SECONDS
                ended, _ = await asyncio.wait(ends, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
                if ended:
                    return
        finally:
            for task in ends:
                task.cancel()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _waited(event: asyncio.Event) -> None:
    await event.wait()


def _as_text(event: AnyEvent) -> bytes:
    plain = msgspec.to_builtins(event)
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.seq, plain["kind"].encode(), msgspec.json.encode(plain))
