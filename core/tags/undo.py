"""Undoing a journal of tags as a whole."""

from dataclasses import dataclass, field
from pathlib import Path

from core.audio.errors import AudioError
from core.tags.journal import Change, mark_undone, newest_journal, read_journal
from core.tags.write import Undone, undo


@dataclass
class UndoReport:
    journal: Path
    changes: list[tuple[Change, Undone]] = field(default_factory=list)
    """Those that were undone."""
    failed: list[str] = field(default_factory=list)
    """A sentence for each file that was left alone."""

    @property
    def inexact(self) -> int:
        """Files of which only the genre is what it was."""
        return sum(done is Undone.GENRE_ONLY for _, done in self.changes)


def undo_journal(journal: Path | None = None) -> UndoReport:
    """Undo a journal, by default the newest, the last change first; one without failures is marked as undone.

    Raises:
        UserError: there is none, or it cannot be read.
    """
    report = UndoReport(journal or newest_journal())
    for change in reversed(read_journal(report.journal)):
        try:
            done = undo(change)
        except AudioError as error:
            report.failed.append(str(error))
            continue
        if done is not Undone.NOTHING:
            report.changes.append((change, done))
    if not report.failed:
        mark_undone(report.journal)
    return report
