"""The journal: events in a file, one a line, append-only, with one writer and any number of readers."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from core.runs.journal.events import SCHEMA, AnyEvent, Event, decode, encode

BLOCK = 64 * 1024

EventT = TypeVar("EventT", bound=Event)


class Journal:
    """The writer's end. Safe to use from several threads of one process.

    Opening a journal whose last line a killed writer left unfinished ends that line (a reader counts it as bad) and
    goes on with the next sequence number.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        size = os.fstat(self._descriptor).st_size
        self._torn = size > 0 and os.pread(self._descriptor, 1, size - 1) != b"\n"
        self._next_seq = 1 + max((_seq(line) for line in _last_lines(self._descriptor, size)), default=-1)

    def write(self, event: EventT) -> EventT:
        """Appends ``event`` in a single write and returns it as written, with its sequence number and time.

        Raises:
            OSError: the disk is full or gone. The next write then begins on a line of its own.
        """
        with self._lock:
            event = msgspec.structs.replace(event, seq=self._next_seq, time=time.time())
            line = (b"\n" if self._torn else b"") + encode(event)
            self._torn = True
            written = os.write(self._descriptor, line)
            if written < len(line):
                raise OSError(f"{self.path}: only {written} of {len(line)} bytes of an event could be written")
            self._torn = False
            self._next_seq += 1
        return event

    def close(self) -> None:
        """Syncs the journal to disk and closes it."""
        with self._lock:
            os.fsync(self._descriptor)
            os.close(self._descriptor)


class JournalReader:
    """A reader's end: remembers how far it has read and never fails on content.

    Attributes:
        bad_lines: lines that were no event: half-written, garbage, or a known kind with wrong fields.
        unknown_kinds: events of a newer version that were skipped.
    """

    def __init__(self, path: Path, *, skip: frozenset[str] = frozenset()) -> None:
        """Args:
        path: need not exist yet.
        skip: kinds that are passed over without being decoded, except for the last line of a `read`, which tells
            when the journal was last written to.
        """
        self.path = Path(path)
        self.bad_lines = 0
        self.unknown_kinds = 0
        self._offset = 0
        self._tail = b""
        self._skip = tuple(b'{"kind":"%s"' % kind.encode() for kind in skip)

    def read(self, max_bytes: int | None = None) -> list[AnyEvent]:
        """The whole events appended since the last call, oldest first; empty when there is nothing new.

        With ``max_bytes`` a long journal comes in pieces of about that size: call again until it is empty.
        """
        events: list[AnyEvent] = []
        skipped = b""
        start = self._offset
        for lines in self._blocks():
            for line in lines:
                if self._skip and line.startswith(self._skip):
                    skipped = line
                elif (event := self._decoded(line)) is not None:
                    skipped = b""
                    events.append(event)
            # A piece without an event would look like the end.
            if max_bytes is not None and self._offset - start >= max_bytes and events:
                break
        if skipped and (event := self._decoded(skipped)) is not None:
            events.append(event)
        return events

    def _blocks(self) -> Iterator[list[bytes]]:
        """The whole lines from here on, block by block. An unfinished tail is kept for the next call."""
        try:
            file = self.path.open("rb", buffering=0)
        except OSError:
            return
        with file:
            size = os.fstat(file.fileno()).st_size
            if size < self._offset:  # somebody put an older copy in its place
                self._offset, self._tail = 0, b""
            file.seek(self._offset)
            # No further than it reached when it was opened: a reader may not run after a writer that is faster.
            while self._offset < size and (block := file.read(min(BLOCK, size - self._offset))):
                self._offset += len(block)
                *lines, self._tail = (self._tail + block).split(b"\n")
                yield lines

    def _decoded(self, line: bytes) -> AnyEvent | None:
        if not line.strip():
            return None
        try:
            event = decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            if _schema(line) > SCHEMA:
                self.unknown_kinds += 1
            else:
                self.bad_lines += 1
            return None
        if event is None:
            self.unknown_kinds += 1
        return event


class _Header(msgspec.Struct):
    """What every version's events carry."""

    schema: int = 0
    seq: int = -1


_headers = msgspec.json.Decoder(_Header)


def _header(line: bytes) -> _Header:
    try:
        return _headers.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Header()


def _schema(line: bytes) -> int:
    return _header(line).schema


def _seq(line: bytes) -> int:
    return _header(line).seq


def _last_lines(descriptor: int, size: int) -> list[bytes]:
    """Lines at the end of the file: as many blocks as it takes to find one with a sequence number."""
    tail = b""
    while size > 0:
        start = max(0, size - BLOCK)
        tail = os.pread(descriptor, size - start, start) + tail
        size = start
        lines = tail.split(b"\n") if size == 0 else tail.split(b"\n")[1:]
        if any(_seq(line) >= 0 for line in lines):
            return lines
    return []
