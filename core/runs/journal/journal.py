"""The journal: events in a file, one per line, append-only, with one writer and any number of readers."""

import os
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from core.runs.journal.events import (
    SCHEMA,
    AnyEvent,
    BatchProgress,
    DeviceSample,
    Event,
    FeaturesProgress,
    decode,
    encode,
)
from core.util.files import AppendFile, open_regular

BLOCK = 64 * 1024
PIECE = 4 * 1024 * 1024
"""Bytes of a long journal that are taken in at a time."""
LONGEST_LINE = 64 * 1024 * 1024
"""Bytes. No event comes near it; a damaged file could be one line of any length."""
TOO_LONG = b"\0"
"""Stands for a line that was longer: not an event either."""

EventT = TypeVar("EventT", bound=Event)
ValueT = TypeVar("ValueT")


PROGRESS = (BatchProgress, DeviceSample, FeaturesProgress)
"""Events that are not kept while the disk is full: the next one of the kind says as much."""


class Journal:
    """The writer's end. Safe to use from several threads of one process.

    Opening a journal whose last line a killed writer left unfinished ends that line (a reader counts it as bad) and
    continues with the next sequence number.

    Attributes:
        file: says whether the last write failed, and how often.
    """

    def __init__(self, path: Path) -> None:
        """
        Raises:
            UserError: the file cannot be opened.
        """
        self.file = AppendFile(path)
        self._lock = threading.Lock()
        self._opened = time.monotonic()
        descriptor = self.file.descriptor
        size = os.fstat(descriptor).st_size
        if size > 0 and os.pread(descriptor, 1, size - 1) != b"\n":
            self.file.write(b"\n")
        self._next_seq = 1 + max((_seq(line) for line in _last_lines(descriptor, size)), default=-1)

    def write(self, event: EventT) -> EventT:
        """Appends ``event`` and returns it as written, with its sequence number and times.

        Never raises for a full disk: the line is written, byte for byte, as soon as there is room. Until then further
        progress events are dropped, and the sequence numbers of the others stay without gaps.
        """
        with self._lock:
            elapsed = time.monotonic() - self._opened
            event = msgspec.structs.replace(event, seq=self._next_seq, time=time.time(), elapsed=elapsed)
            try:
                line = encode(event)
            except UnicodeEncodeError:  # a file name that is not UTF-8
                event = msgspec.convert(readable(msgspec.to_builtins(event)), type(event))
                line = encode(event)
            if isinstance(event, PROGRESS) and not self.file.flush():
                return event
            self.file.write(line)
            self._next_seq += 1
        return event

    def close(self) -> None:
        """Syncs the journal to disk and closes it."""
        with self._lock:
            self.file.close()


class JournalReader:
    """A reader's end: remembers how far it has read and never fails on content.

    Attributes:
        bad_lines: lines that were not an event: half-written, garbage, too long, or a known kind with wrong fields.
        unknown_kinds: events of a newer version that were skipped.
    """

    def __init__(self, path: Path, *, skip: frozenset[str] = frozenset()) -> None:
        """Args:
        path: need not exist yet.
        skip: kinds that are passed over without being decoded, except for the last of several in a row, which tells
            when the journal was written to.
        """
        self.path = Path(path)
        self.bad_lines = 0
        self.unknown_kinds = 0
        self._offset = 0
        self._unfinished: list[bytes] = []
        """Blocks of a line whose end has not been read yet."""
        self._unfinished_bytes = 0
        self._skip = tuple(b'{"kind":"%s"' % kind.encode() for kind in skip)

    @property
    def position(self) -> int:
        """Bytes that have been read, as far as the last complete line."""
        return self._offset - self._unfinished_bytes

    def continue_from(self, position: int, bad_lines: int, unknown_kinds: int) -> None:
        """Continues where another reader of the same journal stopped."""
        self._offset, self.bad_lines, self.unknown_kinds = position, bad_lines, unknown_kinds

    def read(self, max_bytes: int | None = None) -> list[AnyEvent]:
        """The complete events appended since the last call, oldest first; empty when there is nothing new.

        With ``max_bytes`` a long journal comes in pieces of about that size: call again until it is empty.

        A journal that is absent, is not a regular file or may not be opened has no events.
        """
        events: list[AnyEvent] = []
        skipped = b""
        start = self._offset
        for lines in self._blocks():
            for line in lines:
                if self._skip and line.startswith(self._skip):
                    skipped = line
                    continue
                events += self._decoded(skipped)
                events += self._decoded(line)
                skipped = b""
            # A piece without an event would look like the end.
            if max_bytes is not None and self._offset - start >= max_bytes and events:
                break
        return events + self._decoded(skipped)

    def _blocks(self) -> Iterator[list[bytes]]:
        """The complete lines from here on, block by block. An unfinished one is kept for the next call."""
        try:
            file = os.fdopen(open_regular(self.path), "rb", buffering=0)
        except OSError:
            return
        with file:
            size = os.fstat(file.fileno()).st_size
            if size < self._offset:  # somebody put an older copy in its place
                self._offset = 0
                self._take_unfinished()
            file.seek(self._offset)
            # No further than it reached when it was opened: a reader may not run after a writer that is faster.
            while self._offset < size and (block := file.read(min(BLOCK, size - self._offset))):
                self._offset += len(block)
                first, *others = block.split(b"\n")
                if not others:
                    self._keep_unfinished(first)
                    continue
                self._keep_unfinished(first)
                lines = [self._take_unfinished(), *others[:-1]]
                self._keep_unfinished(others[-1])
                yield lines

    def _keep_unfinished(self, part: bytes) -> None:
        """Joined only when the line ends, so that a long one costs linear time; one that is too long is let go."""
        self._unfinished_bytes += len(part)
        if self._unfinished_bytes > LONGEST_LINE:
            self._unfinished.clear()
        elif part:
            self._unfinished.append(part)

    def _take_unfinished(self) -> bytes:
        line = b"".join(self._unfinished) if self._unfinished_bytes <= LONGEST_LINE else TOO_LONG
        self._unfinished, self._unfinished_bytes = [], 0
        return line

    def _decoded(self, line: bytes) -> list[AnyEvent]:
        """The event in a line, if it holds one."""
        if not line.strip():
            return []
        try:
            event = decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            if _schema(line) > SCHEMA:
                self.unknown_kinds += 1
            else:
                self.bad_lines += 1
            return []
        if event is None:
            self.unknown_kinds += 1
            return []
        return [event]


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


def readable(value: ValueT) -> ValueT:
    """Plain values with each byte that is not UTF-8 (a lone surrogate, in Python) as a replacement character."""

    def repaired(value: Any) -> Any:
        if isinstance(value, str):
            return re.sub("[\ud800-\udfff]", "\ufffd", value)
        if isinstance(value, dict):
            return {repaired(key): repaired(item) for key, item in value.items()}
        return [repaired(item) for item in value] if isinstance(value, list | tuple) else value

    repaired_value: ValueT = repaired(value)
    return repaired_value


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
