"""The journal: events in a file, one per line, append-only, with one writer and any number of readers."""

import errno
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
"""Bytes of a long journal that are read at a time."""
LONGEST_LINE = 64 * 1024 * 1024
"""Most bytes of a line, far more than any event has; a damaged file could be a single line of any length."""
TOO_LONG = b"\0"
"""Placeholder for a longer line, and for a hole in a line, neither of which is an event."""

EventT = TypeVar("EventT", bound=Event)
ValueT = TypeVar("ValueT")


PROGRESS = (BatchProgress, DeviceSample, FeaturesProgress)
"""Events that are dropped while the disk is full, because the next one of the kind supersedes them."""


class Journal:
    """The writer's end. Thread-safe.

    If a killed writer left the last line unfinished, opening the journal ends that line, which readers count as bad,
    and continues with the next sequence number.

    Attributes:
        file: the open file, which records failed writes.
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
        """Append ``event``; returns it as written, with its sequence number and times.

        A full disk does not raise: lines are written as soon as there is room. Until then progress events are dropped,
        and the sequence numbers of the others have no gaps.
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
        """Sync the journal to disk and close it."""
        with self._lock:
            self.file.close()


class JournalReader:
    """A reader's end, which reads incrementally and never fails because of the content.

    Attributes:
        bad_lines: number of lines that are not events: incomplete, damaged, too long, or with invalid fields.
        unknown_kinds: number of skipped events of a newer version.
    """

    def __init__(self, path: Path, *, skip: frozenset[str] = frozenset()) -> None:
        """Args:
        path: the journal, which need not exist yet.
        skip: kinds that are not decoded, except for the last of consecutive ones, which shows when the journal was
            written.
        """
        self.path = Path(path)
        self.bad_lines = 0
        self.unknown_kinds = 0
        self._offset = 0
        self._unfinished: list[bytes] = []
        """Blocks of an incomplete line."""
        self._unfinished_bytes = 0
        self._skip = tuple(b'{"kind":"%s"' % kind.encode() for kind in skip)

    @property
    def position(self) -> int:
        """Bytes read, up to the last complete line."""
        return self._offset - self._unfinished_bytes

    def continue_from(self, position: int, bad_lines: int, unknown_kinds: int) -> None:
        """Continue where another reader of the same journal stopped."""
        self._offset, self.bad_lines, self.unknown_kinds = position, bad_lines, unknown_kinds

    def read(self, max_bytes: int | None = None) -> list[AnyEvent]:
        """The events appended since the last call, oldest first; empty if there are none.

        With ``max_bytes`` a long journal is read in pieces of about that size: call again until the result is empty.

        A journal that does not exist, is not a regular file or cannot be opened has no events.
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
            # A piece without events would look like the end.
            if max_bytes is not None and self._offset - start >= max_bytes and events:
                break
        return events + self._decoded(skipped)

    def _blocks(self) -> Iterator[list[bytes]]:
        """Complete lines from here on, block by block. An incomplete one is kept for the next call."""
        try:
            file = os.fdopen(open_regular(self.path), "rb", buffering=0)
        except OSError:
            return
        with file:
            size = os.fstat(file.fileno()).st_size
            if size < self._offset:  # it was replaced by an older copy
                self._offset = 0
                self._take_unfinished()
            # Only up to the size at opening, so that a fast writer cannot keep the reader busy forever.
            while self._offset < size:
                self._skip_hole(file.fileno(), size)
                block = file.read(min(BLOCK, size - self._offset))
                if not block:
                    break
                self._offset += len(block)
                first, *others = block.split(b"\n")
                if not others:
                    self._keep_unfinished(first)
                    continue
                self._keep_unfinished(first)
                lines = [self._take_unfinished(), *others[:-1]]
                self._keep_unfinished(others[-1])
                yield lines

    def _skip_hole(self, descriptor: int, size: int) -> None:
        """Move the file to the next data: a damaged journal may be a hole of terabytes, which belongs to one line."""
        try:
            data = min(os.lseek(descriptor, self._offset, os.SEEK_DATA), size)
        except OSError as error:  # without data after the offset, or on a file system that knows no holes
            data = size if error.errno == errno.ENXIO else os.lseek(descriptor, self._offset, os.SEEK_SET)
        if data > self._offset:
            self._keep_unfinished(TOO_LONG)
            self._unfinished_bytes += data - self._offset - len(TOO_LONG)
            self._offset = data

    def _keep_unfinished(self, part: bytes) -> None:
        """Keep a part of a line; parts are joined when it ends, in linear time. A line that is too long is dropped."""
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
    """Fields of events in every version."""

    schema: int = 0
    seq: int = -1


_headers = msgspec.json.Decoder(_Header)


def _header(line: bytes) -> _Header:
    try:
        return _headers.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Header()


def readable(value: ValueT) -> ValueT:
    """Replace bytes that are not UTF-8 (lone surrogates in Python) by replacement characters, in plain values."""

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
    """Lines at the end of the file, as many as needed to find one with a sequence number."""
    length = BLOCK
    while size > 0:
        start = max(0, size - length)
        lines = os.pread(descriptor, size - start, start).split(b"\n")
        lines = lines if start == 0 else lines[1:]
        if any(_seq(line) >= 0 for line in lines):
            return lines
        if start == 0 or length > LONGEST_LINE:
            break
        length *= 2  # so that the time is linear
    return []
