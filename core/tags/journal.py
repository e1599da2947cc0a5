"""What was done to files' tags, so that it can be undone: one JSON line a file, written before the file is."""

import base64
import os
import time
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import msgspec

from core.util.dirs import state_folder
from core.util.errors import UserError
from core.util.text import printable

UNDONE = ".undone"
"""Added to a journal's name when it has been undone."""


class Change(NamedTuple):
    path: Path
    before: list[str]
    after: list[str]
    had_tags: bool


class _Line(msgspec.Struct):
    path: str
    """For people."""
    path_bytes: str
    """The name's bytes in base64: a name need not be text."""
    before: list[str]
    after: list[str]
    had_tags: bool
    time: float


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
            UserError: it cannot be written; no file must be changed then.
        """
        line = _Line(
            path=printable(change.path),
            path_bytes=base64.b64encode(os.fsencode(change.path)).decode(),
            before=change.before,
            after=change.after,
            had_tags=change.had_tags,
            time=time.time(),
        )
        try:
            if self._handle is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            os.write(self._handle, msgspec.json.encode(line) + b"\n")
            os.fsync(self._handle)
        except OSError as error:
            raise UserError(
                f"the journal {self.path} cannot be written ({error.strerror}); no tag is changed"
            ) from error

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
        UserError: the file cannot be read, or is no such journal.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise UserError(f"the journal {path} cannot be read: {error.strerror}") from error
    changes = []
    for number, line in enumerate(lines[:-1], start=1):
        try:
            found = msgspec.json.decode(line, type=_Line)
        except msgspec.DecodeError as error:
            raise UserError(f"{path} is no journal of tags: line {number}: {error}") from error
        name = Path(os.fsdecode(base64.b64decode(found.path_bytes)))
        changes.append(Change(name, found.before, found.after, found.had_tags))
    return changes


def newest_journal() -> Path:
    """The newest journal that has not been undone.

    Raises:
        UserError: there is none.
    """
    journals = sorted(journals_folder().glob("*.jsonl"), key=lambda path: path.stat().st_mtime_ns)
    if not journals:
        raise UserError(f"there is nothing to undo: no journal in {journals_folder()}")
    return journals[-1]


def mark_undone(path: Path) -> None:
    path.rename(path.with_name(path.name + UNDONE))
