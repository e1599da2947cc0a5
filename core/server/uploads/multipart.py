"""The files in a request: the parts of a multipart form, or a raw body."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import ExitStack, aclosing
from typing import NamedTuple

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from core.server.limits import Limits
from core.server.problems import Problem
from core.server.uploads.spool import Spool, UploadFile


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


NAME_LENGTH = 255


class Upload(NamedTuple):
    name: str
    """What the client calls it: shown in the answer, never opened."""
    file: UploadFile


async def receive_uploads(request: Request, spool: Spool, limits: Limits, held: ExitStack) -> tuple[list[Upload], bool]:
    """The request's files, whole and on disk until ``held`` ends, and whether they came as a form.

    Raises:
        Problem: a limit was passed (408, 413, 503), or the body is no such form, or holds no file (400).
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    async with aclosing(read_body(request, limits)) as body:
        if kind == b"multipart/form-data":
            if not options.get(b"boundary"):
                raise Problem(400, "bad-form", "the multipart form names no boundary", unread=True)
            return await _Form(options[b"boundary"], spool, limits, held).read(body), True
        # Whatever type it claims: curl, for one, calls every body a form.
        upload = Upload(_plain_name(request.headers.get("x-file-name", "")), held.enter_context(spool.upload()))
        async for piece in body:
            await upload.file.write(piece)
        await upload.file.flush()
    if not upload.file.size:
        raise Problem(400, "empty", "the body is empty: send the bytes of an audio file")
    return [upload], False


class _Form:
    """A multipart form, parsed as it arrives. Parts without a file name are passed over."""

    def __init__(self, boundary: bytes, spool: Spool, limits: Limits, held: ExitStack) -> None:
        self._spool, self._limits, self._held = spool, limits, held
        self._uploads: list[Upload] = []
        self._current: UploadFile | None = None
        self._pieces: list[tuple[UploadFile, bytes]] = []
        self._name, self._value = bytearray(), bytearray()
        self._whole = False
        self._disposition = b""
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._part_begins,
                "on_header_field": self._header_name,
                "on_header_value": self._header_value,
                "on_header_end": self._header_ends,
                "on_headers_finished": self._headers_end,
                "on_part_data": self._data,
                "on_end": self._end,
            },
        )

    async def read(self, body: AsyncIterator[bytes]) -> list[Upload]:
        try:
            async for piece in body:
                self._parser.write(piece)
                for file, data in self._pieces:
                    await file.write(data)
                self._pieces.clear()
        except FormParserError as error:
            raise Problem(400, "bad-form", f"the multipart form is damaged: {error}", unread=True) from error
        if not self._whole:
            raise Problem(400, "bad-form", "the multipart form breaks off before its end")
        if not self._uploads:
            raise Problem(400, "empty", "the form holds no file: give its parts a file name")
        for upload in self._uploads:
            await upload.file.flush()
        return self._uploads

    # The parser's callbacks are plain functions, and writing is not: pieces wait until the parser returns.

    def _part_begins(self) -> None:
        self._current, self._disposition = None, b""

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_ends(self) -> None:
        if self._name.lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._name.clear()
        self._value.clear()

    def _headers_end(self) -> None:
        _, options = parse_options_header(self._disposition)
        if b"filename" not in options:
            return
        if len(self._uploads) == self._limits.files:
            raise Problem(413, "too-many-files", f"a request may hold {self._limits.files} files at most", unread=True)
        name = _plain_name(options[b"filename"].decode("utf-8", "replace"))
        self._current = self._held.enter_context(self._spool.upload())
        self._uploads.append(Upload(name, self._current))

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._current is not None:
            self._pieces.append((self._current, data[start:end]))

    def _end(self) -> None:
        self._whole = True


def _plain_name(name: str) -> str:
    """A client's name for its file, without folders and control characters."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(c for c in last if c.isprintable())[:NAME_LENGTH] or "upload"
