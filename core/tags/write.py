"""Planning, writing and undoing genre tags."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import msgspec

from core.audio.files.open_file import AudioError
from core.tags.formats import read_genres, same_genres, set_genres
from core.tags.journal import Change, TagJournal, difference, digest, mark_undone, newest_journal, read_journal, restore
from core.tags.rewrite import rewriting
from core.util.archive.path import is_archive
from core.util.errors import reason


class Action(StrEnum):
    """What happens to a file's genre tag."""

    WRITE = "write"
    KEEP = "keep"
    """The file has another genre, which is not replaced."""
    SAME = "same"
    """The file already has this genre."""


class TagPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The planned change of a file's tags."""

    action: Action
    before: list[str]
    after: list[str]


def plan(path: Path, genres: list[str], *, force: bool) -> TagPlan:
    """Plan writing ``genres`` to a file, without writing anything.

    Args:
        force: replace existing genres.

    Raises:
        AudioError: the file cannot be read, or its format has no tags.
    """
    if is_archive(path):
        raise AudioError(path, "is in an archive, which is never changed: unpack it to write tags")
    before = read_genres(path)
    if same_genres(before, genres):
        return TagPlan(action=Action.SAME, before=before, after=before)
    if before and not force:
        return TagPlan(action=Action.KEEP, before=before, after=before)
    return TagPlan(action=Action.WRITE, before=before, after=genres)


class Undone(StrEnum):
    """How far a change was undone."""

    EXACT = "exact"
    """The file is byte for byte the same as before."""
    GENRE_ONLY = "genre_only"
    """The file has changed in other ways since, so only its genre was restored."""
    NOTHING = "nothing"
    """The file already is the same as before."""


def write_genres(path: Path, genres: list[str], journal: TagJournal) -> None:
    """Write genres to a file's tags, after recording the change in the journal.

    Raises:
        AudioError: the file cannot be read or written; it is unchanged.
        UserError: the journal cannot be written; the file is unchanged.
    """
    with rewriting(path) as copy:
        before = read_genres(copy)
        set_genres(copy, genres)
        if not same_genres(read_genres(copy), genres):
            raise AudioError(path, "the genre was not stored in its tags")
        journal.record(
            Change(
                path=path.absolute(),
                before=before,
                after=genres,
                earlier=digest(path),
                now=digest(copy),
                pieces=difference(path, copy),
            )
        )


def undo(change: Change) -> Undone:
    """Restore the content that the file had before the change, or at least the genre.

    Raises:
        AudioError: the file cannot be read or written, or now has other genres; it is unchanged.
    """
    if change.earlier:
        now = _digest(change.path)
        if now == change.earlier:
            return Undone.NOTHING
        if now == change.now:
            _restore(change)
            return Undone.EXACT
    genres = read_genres(change.path)
    if genres == change.before:
        return Undone.NOTHING
    if not same_genres(genres, change.after):
        raise AudioError(change.path, f"now has other genres ({', '.join(genres) or 'none'}); left unchanged")
    with rewriting(change.path) as copy:
        set_genres(copy, change.before)
    return Undone.GENRE_ONLY


def _restore(change: Change) -> None:
    with rewriting(change.path) as copy:
        with copy.open("wb") as file:
            restore(change.path, change.pieces, file)
        if digest(copy) != change.earlier:
            raise AudioError(change.path, "its earlier bytes cannot be restored from the journal; left unchanged")


def _digest(path: Path) -> str:
    try:
        return digest(path)
    except OSError as error:
        raise AudioError(path, f"cannot be read ({reason(error).lower()})") from error


@dataclass
class UndoReport:
    journal: Path
    changes: list[tuple[Change, Undone]] = field(default_factory=list)
    """Changes that were undone."""
    failed: list[str] = field(default_factory=list)
    """A message for each file that was not changed."""

    @property
    def inexact(self) -> int:
        """Number of files of which only the genre was restored."""
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
