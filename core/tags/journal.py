"""The undo journal of tags: one JSON line per file, written before the file is changed.

A line contains what is needed to restore the earlier content of a file. Editing a tag moves the sound after it, so the
difference is a list of pieces, each either a part of the new file or bytes that are no longer in it. For a changed
genre these are a few hundred bytes, for files of any size."""

import hashlib
import os
import time
from pathlib import Path
from typing import BinaryIO, Self

import msgspec

from core.util.errors import UserError, explained
from core.util.files import LARGE_FILE_BYTES, read_input
from core.util.paths import state_folder
from core.util.text import printable

Piece = tuple[int, int] | bytes
"""Position and length in the new file, or the bytes themselves."""
_SHORTEST = 32
"""Fewest equal bytes for which a part is copied."""
_STEP = 16
_WINDOW = 1 << 18
"""Largest move that is searched."""
_SHIFTS = 8
"""Number of moves that are tried at each position."""
_BLOCK = 1 << 20


def difference(earlier: Path, now: Path) -> list[Piece]:
    """The pieces from which ``restore`` makes ``earlier`` out of ``now``."""
    pieces: list[Piece] = []
    literal = bytearray()
    with earlier.open("rb") as old_file, now.open("rb") as new_file:
        old, new = old_file.fileno(), new_file.fileno()
        size = os.fstat(old).st_size
        shifts = sorted({0, os.fstat(new).st_size - size})
        at = 0
        while at < size:
            shift, length = _longest_match(old, new, at, shifts)
            if length >= min(_SHORTEST, size - at):
                shifts.remove(shift)
                shifts.insert(0, shift)
                if literal:
                    pieces.append(bytes(literal))
                    literal.clear()
                pieces.append((at + shift, length))
                at += length
            elif (found := _find(old, new, at)) is not None and found not in shifts:
                shifts.insert(0, found)
                del shifts[_SHIFTS:]
            else:
                literal += os.pread(old, _STEP, at)
                at = min(at + _STEP, size)
    if literal:
        pieces.append(bytes(literal))
    return pieces


def restore(now: Path, pieces: list[Piece], out: BinaryIO) -> None:
    """Write the earlier content to ``out``."""
    with now.open("rb") as new:
        for piece in pieces:
            if isinstance(piece, bytes):
                out.write(piece)
                continue
            at, left = piece
            new.seek(at)
            while left and (data := new.read(min(left, _BLOCK))):
                out.write(data)
                left -= len(data)


def digest(path: Path) -> str:
    """BLAKE2 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _longest_match(old: int, new: int, at: int, shifts: list[int]) -> tuple[int, int]:
    matches = ((shift, _equal_bytes(old, at, new, at + shift)) for shift in shifts if at + shift >= 0)
    return max(matches, key=lambda match: match[1])


def _equal_bytes(old: int, at: int, new: int, new_at: int) -> int:
    """Number of equal bytes from two positions on."""
    equal, size = 0, 2 * _SHORTEST
    while True:
        ours, theirs = os.pread(old, size, at + equal), os.pread(new, size, new_at + equal)
        if ours != theirs or not ours:
            return equal + _common(ours, theirs)
        equal += len(ours)
        size = min(4 * size, _BLOCK)


def _common(ours: bytes, theirs: bytes) -> int:
    """Length of the common prefix, by bisection."""
    low, high = 0, min(len(ours), len(theirs))
    while low < high:
        middle = (low + high + 1) // 2
        if ours[low:middle] == theirs[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _find(old: int, new: int, at: int) -> int | None:
    """By how much the next bytes have moved; None if they are not found nearby."""
    wanted = os.pread(old, _SHORTEST, at)
    start = max(0, at - _WINDOW)
    place = os.pread(new, 2 * _WINDOW, start).find(wanted) if len(wanted) == _SHORTEST else -1
    return None if place < 0 else start + place - at


UNDONE = ".undone"
"""Suffix of the name of a journal that was undone."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """The new genres of a file, and how to restore its earlier content."""

    path: Path
    before: list[str]
    after: list[str]
    earlier: str
    """`core.tags.journal.digest` of the file before the change; empty in journals of version 0.1."""
    now: str
    """The digest after the change."""
    pieces: list[Piece]
    """Pieces from which the earlier content is restored."""


class _Line(msgspec.Struct):
    path: str
    """For people."""
    path_bytes: bytes
    """Bytes of the path, because file names need not be UTF-8."""
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
    """A journal that is being written; the file is created with the first line."""

    def __init__(self, path: Path | None = None) -> None:
        """Args:
        path: a new file in ``journals_folder()`` by default.
        """
        self.path = path or journals_folder() / f"{time.strftime('%Y-%m-%d_%H-%M-%S')}_{os.getpid()}.jsonl"
        self._handle: int | None = None

    def record(self, change: Change) -> None:
        """Append a line and sync it to disk.

        Raises:
            UserError: it cannot be written. The file must not be changed then.
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
        """Append a complete line or nothing: on a full disk, an incomplete line would make the next one unreadable."""
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

    def __exit__(self, *_: object) -> None:
        self.close()


def read_journal(path: Path) -> list[Change]:
    """The changes in the order in which they were made. An incomplete last line is ignored: its file was not changed.

    Raises:
        UserError: the file cannot be read or is not an undo journal.
    """
    with explained(f"the journal {printable(path)} cannot be read"):
        lines = read_input(path, LARGE_FILE_BYTES).split(b"\n")
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
