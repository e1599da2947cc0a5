"""Uploads on disk: bounded in all, in a folder that only this server sees, gone when the request is answered."""

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.server.problems import Problem

CHUNK = 256 * 1024


class Spool:
    """The place for uploads. Everything in it is removed with it."""

    def __init__(self, max_bytes: int, parent: Path | None = None) -> None:
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
        """
        Raises:
            Problem: 503, there is no room for so much more.
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
        """Puts what has come so far on the disk, off the event loop.

        Raises:
            Problem: 503, the disk or its share of it is full.
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
