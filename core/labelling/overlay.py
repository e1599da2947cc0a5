"""The overlay ``labels.csv``: decisions about labels, appended one by one; no audio file and no tag changes.

A row says which file (by path and by a hash of its content), its new label, its label before, when and how it was
decided. An empty label is none at all; `EXCLUDED` leaves the file out. The last row of a file counts. Each row is one
synced write, so that a crash loses at most the decision in progress, and sessions that write at the same time add up.
"""

import csv
import errno
import fcntl
import io
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from core.dataset.clip import Clip
from core.dataset.labels.table import DECISION_COLUMNS
from core.util.errors import UserError
from core.util.files import open_regular, read_small
from core.util.text import printable

COLUMNS = DECISION_COLUMNS
WHO = ("key", "suggestion", "undo")
"""How a decision came about. The last column, so that a row cut off anywhere is known by it."""
EXCLUDED = "(excluded)"
LONGEST_HEADER = 1000
LARGEST = 1 << 28
"""Bytes of an overlay: some millions of decisions."""


class Decision(NamedTuple):
    """A row. ``path`` is printable text, relative to the dataset where the file is inside it; ``content`` its hash."""

    path: str
    content: str
    label: str
    previous: str
    time: str
    who: str
    """One of `WHO`."""


def now() -> str:
    """The time of a decision: UTC, ISO 8601, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class Overlay:
    """One session's view of an overlay file: the current labels of all sessions, and undo of its own decisions."""

    def __init__(self, path: Path) -> None:
        """
        Raises:
            UserError: the file cannot be opened or read, or is another kind of file.
        """
        self.path = path
        self._mine: list[Decision] = []
        with _explained(path):
            self._descriptor = open_regular(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        try:
            if os.fstat(self._descriptor).st_size:
                read_overlay(path)
        except UserError:
            os.close(self._descriptor)
            raise

    def current(self) -> dict["Key", Decision]:
        """The last decision about each file, those of other sessions included."""
        return current(read_overlay(self.path))

    def decide(self, clip: Clip, path: str, label: str, previous: str, who: str = "key") -> Decision:
        """Appends and syncs a decision about ``clip``, whose label was ``previous``.

        Raises:
            UserError: it cannot be written; the file then holds what it held before.
        """
        decision = Decision(path, clip.content, label, previous, now(), who)
        self.append(decision)
        self._mine.append(decision)
        return decision

    def undo(self) -> Decision | None:
        """Takes back this session's last decision that stands, by a row that restores the label before it.

        Raises:
            UserError: it cannot be written.
        """
        if not self._mine:
            return None
        last = self._mine[-1]
        back = Decision(last.path, last.content, last.previous, last.label, now(), "undo")
        self.append(back)
        self._mine.pop()
        return back

    def close(self) -> None:
        os.close(self._descriptor)

    def append(self, decision: Decision) -> None:
        """Appends a row and syncs it. A row that cannot be written leaves the file as it was."""
        with _explained(self.path):
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            try:
                size = os.fstat(self._descriptor).st_size
                data = b"" if size else _row(COLUMNS)
                if size and os.pread(self._descriptor, 1, size - 1) != b"\n":
                    data = b"\n"  # a row that another session could not finish stays alone on its line
                data += _row(decision)
                try:
                    written = os.write(self._descriptor, data)
                    if written < len(data):
                        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                    os.fsync(self._descriptor)
                except OSError:
                    with suppress(OSError):
                        os.ftruncate(self._descriptor, size)
                    raise
            finally:
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)


def read_overlay(path: Path) -> list[Decision]:
    """All decisions in the order of their rows. An unfinished or damaged row is passed over.

    Raises:
        UserError: it cannot be read, or is not an overlay.
    """
    with _explained(path, "read"):
        data = read_small(path, LARGEST)
    lines = data.decode("utf-8", "replace").splitlines(keepends=True)
    header = lines[0].strip().lstrip("\ufeff").split(",") if lines else []
    if lines and lines[0].endswith("\n") and tuple(header) != COLUMNS:
        raise UserError(
            f"{printable(path)} is not a file of label decisions (its first line is not {','.join(COLUMNS)}): name "
            "another file."
        )
    decisions = []
    for line in lines[1:]:
        with suppress(csv.Error, StopIteration):
            row = next(csv.reader([line], strict=True))
            if len(row) == len(COLUMNS) and row[1] and row[-1] in WHO:
                decisions.append(Decision(*row))
    return decisions


Key = tuple[str, str]
"""Path and content of a file: copies of one file may get different labels."""


def is_overlay(path: Path) -> bool:
    """Whether a file begins like one of label decisions."""
    try:
        with os.fdopen(open_regular(path), encoding="utf-8-sig", errors="replace") as file:
            return tuple(file.readline(LONGEST_HEADER).strip().split(",")) == COLUMNS
    except OSError:
        return False


def current(decisions: Iterable[Decision]) -> dict[Key, Decision]:
    """The last decision about each file."""
    return {(decision.path, decision.content): decision for decision in decisions}


def merged(*sessions: Sequence[Decision]) -> list[Decision]:
    """Decisions of several overlay files in the order of their times, each once."""
    every = {decision: None for session in sessions for decision in session}
    return sorted(every, key=lambda decision: decision.time)


def path_in(root: Path, clip: Clip) -> str:
    """The path of a clip as a decision names it."""
    inside = clip.path.is_relative_to(root)
    return printable(clip.path.relative_to(root) if inside else clip.path)


def decided(clips: Sequence[Clip], root: Path, decisions: Mapping[Key, Decision]) -> list[Decision | None]:
    """The decision about each clip of the dataset at ``root``; a file that was renamed is known by its content."""
    paths = [path_in(root, clip) for clip in clips]
    present = set(paths)
    renamed = {content: decision for (path, content), decision in decisions.items() if path not in present}
    return [
        decisions.get((path, clip.content)) or renamed.get(clip.content)
        for path, clip in zip(paths, clips, strict=True)
    ]


def labels_with(clips: Sequence[Clip], root: Path, decisions: Mapping[Key, Decision]) -> list[str | None]:
    """The label of each clip under ``decisions``; None where it is excluded or has none."""
    given = zip(clips, decided(clips, root, decisions), strict=True)
    labels = [clip.genre if decision is None else decision.label for clip, decision in given]
    return [label if label and label != EXCLUDED else None for label in labels]


def revert(path: Path) -> int:
    """Appends rows that give every decided file its first label back; returns how many.

    Raises:
        UserError: the file cannot be read or written.
    """
    decisions = read_overlay(path)
    first: dict[Key, str] = {}
    for decision in decisions:
        first.setdefault((decision.path, decision.content), decision.previous)
    overlay = Overlay(path)
    try:
        changed = [decision for key, decision in current(decisions).items() if decision.label != first[key]]
        for old in changed:
            back = first[old.path, old.content]
            overlay.append(Decision(old.path, old.content, back, old.label, now(), "undo"))
    finally:
        overlay.close()
    return len(changed)


def _row(values: Sequence[str]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow([printable(value) for value in values])
    return out.getvalue().encode()


@contextmanager
def _explained(path: Path, act: str = "written") -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UserError(f"The labels file {printable(path)} cannot be {act} ({reason}).") from error
