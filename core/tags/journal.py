"""What was done to the tags of files, so that it can be undone: one JSON line per file, written before the file is."""

import os
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from core.tags.difference import Piece
from core.util.errors import UserError
from core.util.paths import state_folder
from core.util.text import printable

UNDONE = ".undone"
"""Added to a journal's name when it has been undone."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One file's new genres, and how to get its earlier bytes back."""

    path: Path
    before: list[str]
    after: list[str]
    earlier: str
    """`core.tags.difference.digest` of the file before the change; empty in journals of version 0.1."""
    now: str
    """The digest after it."""
    pieces: list[Piece]
    """What gives the earlier content from the new one."""


class _Line(msgspec.Struct):
    path: str
    """For people."""
    path_bytes: bytes
    """A file name need not be text."""
    before: list[str]
    after: list[str]
    time: float
    earlier: str = ""
    now: str = ""
    pieces: list[Piece] = []


def journals_folder() -> Path:
    """``$XDG_STATE_HOME/genre-tui/tags``, or the same in ``~/.local/state``."""
    return state_folder() / "tags"


class TagJournal:
    """A journal being written; the file appears with its first line."""

    def __init__(self, path: Path | None = None) -> None:
        """Args:
        path: a new file in ``journals_folder()`` by default.
        """
        self.path = path or journals_folder() / f"{time.strftime('%Y-%m-%d_%H-%M-%S')}_{os.getpid()}.jsonl"
        self._handle: int | None = None

    def record(self, change: Change) -> None:
        """Appends a line and waits until it is on the disk.

        Raises:
            UserError: it cannot be written; the file must not be changed then.
        """
        line = _Line(
            path=printable(change.path),
            path_bytes=os.fsencode(change.path),
            before=change.before,
            after=change.after,
            time=time.time(),
            earlier=change.earlier,
            now=change.now,
            pieces=change.pieces,
        )
        try:
            if self._handle is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            self._append(self._handle, msgspec.json.encode(line) + b"\n")
        except OSError as error:
            raise UserError(
                f"the journal {printable(self.path)} cannot be written ({error.strerror}), so no tag is changed"
            ) from error

    def _append(self, handle: int, line: bytes) -> None:
        """All of the line or nothing: the rest of one, on a full disk, would make the next unreadable."""
        length = os.lseek(handle, 0, os.SEEK_END)
        try:
            rest = memoryview(line)
            while rest:
                rest = rest[os.write(handle, rest) :]
            os.fsync(handle)
        except OSError:
            os.ftruncate(handle, length)
            raise

    def close(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def read_journal(path: Path) -> list[Change]:
    """The changes, in the order in which they were made. A last line that was cut off changed no file.

    Raises:
        UserError: the file cannot be read, or is not such a journal.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise UserError(f"the journal {printable(path)} cannot be read: {error.strerror}") from error
    changes = []
    for number, text in enumerate(lines[:-1], start=1):
        try:
            line = msgspec.json.decode(text, type=_Line)
        except msgspec.DecodeError as error:
            raise UserError(f"{printable(path)} is not a journal of tags: line {number}: {error}") from error
        changes.append(
            Change(
                path=Path(os.fsdecode(line.path_bytes)),
                before=line.before,
                after=line.after,
                earlier=line.earlier,
                now=line.now,
                pieces=line.pieces,
            )
        )
    return changes


def newest_journal() -> Path:
    """The newest journal that has not been undone.

    Raises:
        UserError: there is none.
    """
    journals = sorted(journals_folder().glob("*.jsonl"), key=lambda path: path.stat().st_mtime_ns)
    if not journals:
        raise UserError(f"there is nothing to undo: no journal in {printable(journals_folder())}")
    return journals[-1]


def mark_undone(path: Path) -> None:
    path.rename(path.with_name(path.name + UNDONE))
