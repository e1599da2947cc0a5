"""Writing genres into tags from the command line, and undoing it."""

from pathlib import Path
from types import TracebackType
from typing import Self

from core.audio.errors import AudioError
from core.tags.journal import TagJournal, mark_undone, newest_journal, read_journal
from core.tags.write import Action, TagPlan, plan, take_back, write_genres
from core.util.text import printable
from tui.commands.common import narrate
from tui.commands.exit_codes import DONE, FAILED
from tui.text.formatting import count


class Tagger:
    """Plans, and with ``write`` does, one file's tags after another."""

    def __init__(self, *, write: bool, force: bool) -> None:
        self.write, self._force = write, force
        self._journal = TagJournal()
        self._changed = 0

    def tag(self, path: Path, genres: list[str]) -> TagPlan:
        """
        Raises:
            AudioError: the file has no place for tags, or cannot be read or written.
            UserError: the journal cannot be written.
        """
        planned = plan(path, genres, force=self._force)
        if planned.action is Action.WRITE:
            if self.write:
                write_genres(path, genres, self._journal)
            self._changed += 1
        return planned

    def summary(self) -> str:
        files = count(self._changed, "file")
        if not self.write:
            return f"tags: {files} would get a genre; nothing is written without --yes"
        if not self._changed:
            return "tags: no file was changed"
        return f"tags: wrote {files}; undo with: genre-tui classify --undo-tags {self._journal.path}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._journal.close()


def undo(journal: Path | None) -> int:
    """Undoes a journal, the last change first, and returns the exit status.

    Raises:
        UserError: there is none, or it cannot be read.
    """
    path = journal or newest_journal()
    undone = failed = 0
    for change in reversed(read_journal(path)):
        try:
            if take_back(change):
                undone += 1
                print(f"{printable(change.path)}: {_named(change.after)} → {_named(change.before)}")
        except AudioError as error:
            failed += 1
            narrate(f"genre-tui: {error}")
    if not failed:
        mark_undone(path)
    narrate(f"undid {count(undone, 'change')} of {path}" + (f"; {failed} could not be undone" if failed else ""))
    return FAILED if failed else DONE


def _named(genres: list[str]) -> str:
    return ", ".join(genres) or "no genre"
