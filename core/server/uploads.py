"""Uploads: the files of a request, from a multipart form or a raw body, in temporary storage.

They are kept on disk, with a limit on their total size, in a folder that only this server can read, and are removed
with the response.
"""

import asyncio
import re
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import ExitStack, aclosing, contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from core.server.limits import Limits
from core.server.schemas import Problem
from core.util.errors import explained

CHUNK = 256 * 1024


class Spool:
    """The folder for uploads, removed with everything in it on close."""

    def __init__(self, max_bytes: int, parent: Path | None = None) -> None:
        """
        Raises:
            UserError: there can be no folder in ``parent``.
        """
        with explained(f"no folder for uploads can be made in {parent or tempfile.gettempdir()}"):
            self._folder = tempfile.TemporaryDirectory(prefix="genre-tui-uploads-", dir=parent)
        self._max_bytes = max_bytes
        self.held = 0
        """Bytes on disk, of all uploads together."""

    @contextmanager
    def upload(self) -> Iterator["UploadFile"]:
        """A file for one upload; it is removed at the end of the block."""
        handle, name = tempfile.mkstemp(dir=self._folder.name)
        file = UploadFile(self, handle, Path(name))
        try:
            yield file
        finally:
            file.remove()

    def reserve(self, count: int) -> None:
        """Count ``count`` more bytes as held.

        Raises:
            Problem: 503, the limit on uploads is reached.
        """
        if self.held + count > self._max_bytes:
            raise Problem(503, "busy", "too much is being uploaded; try again soon", {"Retry-After": "5"}, unread=True)
        self.held += count

    def release(self, count: int) -> None:
        self.held -= count

    def close(self) -> None:
        self._folder.cleanup()


class UploadFile:
    """One upload. ``path`` may be read after `flush`."""

    def __init__(self, spool: Spool, handle: int, path: Path) -> None:
        self.path = path
        self.size = 0
        self._spool = spool
        self._file = open(handle, "wb", buffering=0)  # noqa: SIM115 - an open descriptor, closed in remove
        self._waiting = bytearray()

    async def write(self, data: bytes) -> None:
        self._waiting += data
        if len(self._waiting) >= CHUNK:
            await self.flush()

    async def flush(self) -> None:
        """Write what has arrived so far to disk, off the event loop.

        Raises:
            Problem: 503, the disk or the limit on uploads is full.
        """
        data, self._waiting = bytes(self._waiting), bytearray()
        self._spool.reserve(len(data))
        self.size += len(data)
        try:
            await asyncio.to_thread(self._file.write, data)
        except OSError as error:
            raise Problem(503, "busy", "the disk for uploads is full; try again later", unread=True) from error

    def remove(self) -> None:
        self._file.close()
        self.path.unlink(missing_ok=True)
        self._spool.release(self.size)
        self.size = 0


async def read_body(request: Request, limits: Limits) -> AsyncGenerator[bytes, None]:
    """Yield the body in pieces of a few dozen kilobytes.

    Raises:
        Problem: 413, the body (or its Content-Length) is too large; 408, it arrives too slowly; 400, the client
            disconnected.
    """
    promised = request.headers.get("content-length", "0")
    if promised.isdecimal() and len(promised) < 20 and int(promised) > limits.body_bytes:
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
    return Problem(408, "body-too-slow", "the body arrives too slowly", unread=True)


NAME_LENGTH = 255


class Upload(NamedTuple):
    name: str
    """The client's name for it: shown in the response, never opened."""
    file: UploadFile


async def receive_uploads(request: Request, spool: Spool, limits: Limits, held: ExitStack) -> tuple[list[Upload], bool]:
    """The request's files, on disk until ``held`` is closed, and whether they came as a form.

    Raises:
        Problem: a limit was exceeded (408, 413, 503), the form is damaged, or there is no file (400).
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    async with aclosing(read_body(request, limits)) as body:
        if kind == b"multipart/form-data":
            if not options.get(b"boundary"):
                raise Problem(400, "bad-form", "the multipart form names no boundary", unread=True)
            try:
                return await _Form(options[b"boundary"], spool, limits, held).read(body), True
            except FormParserError as error:
                raise Problem(400, "bad-form", f"the multipart form is damaged: {error}", unread=True) from error
        # Regardless of its Content-Type: curl, for one, declares every body a form.
        upload = Upload(_plain_name(request.headers.get("x-file-name", "")), held.enter_context(spool.upload()))
        async for piece in body:
            await upload.file.write(piece)
        await upload.file.flush()
    if not upload.file.size:
        raise Problem(400, "empty", "the body is empty: send the bytes of an audio file")
    return [upload], False


class _Form:
    """A multipart form, parsed as it arrives. Parts without a file name are ignored."""

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
        """
        Raises:
            FormParserError: the form is damaged.
        """
        async for piece in body:
            self._parser.write(piece)
            for file, data in self._pieces:
                await file.write(data)
            self._pieces.clear()
        if not self._whole:
            raise Problem(400, "bad-form", "the multipart form ends too early")
        if not self._uploads:
            raise Problem(400, "empty", "the form holds no file: give its parts a file name")
        for upload in self._uploads:
            await upload.file.flush()
        return self._uploads

    # The parser's callbacks are synchronous, but writing is not: pieces are queued until the parser returns.

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
        name = _file_name(self._disposition)
        if name is None:
            return
        if len(self._uploads) == self._limits.files:
            raise Problem(413, "too-many-files", f"a request may hold {self._limits.files} files at most", unread=True)
        self._current = self._held.enter_context(self._spool.upload())
        self._uploads.append(Upload(_plain_name(name), self._current))

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._current is not None:
            self._pieces.append((self._current, data[start:end]))

    def _end(self) -> None:
        self._whole = True


def _file_name(disposition: bytes) -> str | None:
    """The ``filename`` of a Content-Disposition, or the ``filename*`` of RFC 5987 in its place; None without one."""
    _, options = parse_options_header(disposition)
    if b"filename" in options:
        return options[b"filename"].decode("utf-8", "replace")
    extended = re.search(rb"""(?i);\s*filename\*\s*=\s*"?([\w-]*)'[^';]*'([^";\s]*)""", disposition)
    if extended is None:
        return None
    charset, name = (part.decode("latin-1") for part in extended.groups())
    try:
        return unquote(name, charset or "utf-8", "replace")
    except LookupError:  # an unknown character set
        return unquote(name, "utf-8", "replace")


def _plain_name(name: str) -> str:
    """A client's name for its file, without folders and control characters."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(c for c in last if c.isprintable())[:NAME_LENGTH] or "upload"
