"""The overlay ``labels.csv``: decisions about labels, appended one by one. Audio files and tags do not change.

A row holds the file (its path and a hash of its content), its new label, its previous label, and when and how it was
decided. An empty label means none; ``(excluded)`` leaves the file out. The last row of a file counts. Each row is one
synced write: a crash loses at most the decision in progress, and several sessions may write at the same time.
"""

import csv
import errno
import fcntl
import io
import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from core.dataset.clip import Clip
from core.dataset.labels.decisions import DECISION_COLUMNS, Decision, Key, current, read_overlay
from core.util.errors import UserError, explained
from core.util.files import open_regular
from core.util.text import printable


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
        self._mine: list[list[Decision]] = []
        """The decisions of each key press."""
        with explained(f"The labels file {printable(path)} cannot be written"):
            self._descriptor = open_regular(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        try:
            if os.fstat(self._descriptor).st_size:
                read_overlay(path)
        except UserError:
            os.close(self._descriptor)
            raise

    def current(self) -> dict[Key, Decision]:
        """The last decision about each file, including those of other sessions."""
        return current(read_overlay(self.path))

    def decide(self, clip: Clip, path: str, label: str, previous: str, who: str = "key") -> Decision:
        """Append and sync a decision about ``clip``, whose label was ``previous``.

        Raises:
            UserError: it cannot be written; the file is unchanged then.
        """
        [decision] = self.decide_all([(clip, path, previous)], label, who)
        return decision

    def decide_all(self, clips: Sequence[tuple[Clip, str, str]], label: str, who: str = "key") -> list[Decision]:
        """The same decision about several clips, each with its path and previous label: one step for `undo`.

        Raises:
            UserError: as for `decide`; no decision is written then.
        """
        at = now()
        step = [Decision(path, clip.content, label, previous, at, who) for clip, path, previous in clips]
        self.append(*step)
        self._mine.append(step)
        return step

    def undo(self) -> list[Decision]:
        """Undo this session's last step by rows that restore the previous labels.

        Returns:
            The rows; empty if there is nothing to undo.

        Raises:
            UserError: it cannot be written.
        """
        if not self._mine:
            return []
        at = now()
        back = [Decision(last.path, last.content, last.previous, last.label, at, "undo") for last in self._mine[-1]]
        self.append(*back)
        self._mine.pop()
        return back

    def close(self) -> None:
        os.close(self._descriptor)

    def append(self, *decisions: Decision) -> None:
        """Append rows in one write and sync them. The file is unchanged if they cannot be written."""
        with explained(f"The labels file {printable(self.path)} cannot be written"):
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            try:
                size = os.fstat(self._descriptor).st_size
                data = b"" if size else _row(DECISION_COLUMNS)
                if size and os.pread(self._descriptor, 1, size - 1) != b"\n":
                    data = b"\n"  # the unfinished row of another session gets a line of its own
                data += b"".join(map(_row, decisions))
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


def merged(*sessions: Sequence[Decision]) -> list[Decision]:
    """Merge the decisions of several overlay files, in order of time and without duplicates."""
    every = {decision: None for session in sessions for decision in session}
    return sorted(every, key=lambda decision: decision.time)


def revert(path: Path) -> int:
    """Append rows that restore the original label of every file; returns how many.

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
