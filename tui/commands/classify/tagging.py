"""Writes genres into tags, and undoes it."""

from pathlib import Path
from typing import Self

from core.tags.journal import TagJournal
from core.tags.rewrite import recover
from core.tags.write import Action, TagPlan, Undone, plan, undo_journal, write_genres
from core.util.text import counted
from tui.shell.printing import DONE, FAILED, print_line, print_note


class Tagger:
    """Plans, and with ``write`` does, one file's tags after another."""

    def __init__(self, *, write: bool, force: bool) -> None:
        self.write, self._force = write, force
        self._journal = TagJournal()
        self._changed = 0
        _recover()

    def tag(self, path: Path, genres: list[str]) -> TagPlan:
        """
        Raises:
            AudioError: the file's format has no tags, or it cannot be read or written.
            UserError: the journal cannot be written.
        """
        planned = plan(path, genres, force=self._force)
        if planned.action is Action.WRITE:
            if self.write:
                write_genres(path, genres, self._journal)
            self._changed += 1
        return planned

    def summary(self) -> str:
        files = counted(self._changed, "file")
        if not self.write:
            return f"tags: {files} would get a genre; nothing is written without --yes"
        if not self._changed:
            return "tags: no file was changed"
        return f"tags: wrote {files}; undo with: genre-tui classify --undo-tags {self._journal.path}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._journal.close()


def undo(journal: Path | None) -> int:
    """Undoes a journal, the last change first, and returns the exit status.

    Raises:
        UserError: there is none, or it cannot be read.
    """
    _recover()
    report = undo_journal(journal)
    for trouble in report.failed:
        print_note(f"genre-tui: {trouble}")
    for change, done in report.changes:
        print_line(f"{change.path}: {_named(change.after)} → {_named(change.before)}")
        if done is Undone.GENRE_ONLY:
            print_note(f"genre-tui: {change.path}: {_INEXACT}")
    undone, failed = len(report.changes), len(report.failed)
    exact = f"; {report.inexact} in the genre only" if report.inexact else ", byte for byte" if undone else ""
    print_note(
        f"undid {counted(undone, 'change')} of {report.journal}{exact}"
        + (f"; {failed} could not be undone" if failed else "")
    )
    return FAILED if failed else DONE


_INEXACT = "has changed since in other ways, so only its genre is restored, not its earlier bytes"


def _recover() -> None:
    """Finishes or removes what a killed command left."""
    for trouble in recover():
        print_note(f"genre-tui: {trouble}")


def _named(genres: list[str]) -> str:
    return ", ".join(genres) or "no genre"
