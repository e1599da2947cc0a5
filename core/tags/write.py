"""Changing the genre in a file so that the file is whole whenever the program dies."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

import msgspec

from core.audio.errors import AudioError
from core.tags.formats import has_tags, read_genres, set_genres
from core.tags.journal import Change, TagJournal


class Action(StrEnum):
    """What becomes of a file's genre tag."""

    WRITE = "write"
    KEEP = "keep"
    """There is a genre, and it was not to be replaced."""
    SAME = "same"
    """The genre stands there already."""


class TagPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What is to happen to a file's tags."""

    action: Action
    before: list[str]
    after: list[str]


def plan(path: Path, genres: list[str], *, force: bool) -> TagPlan:
    """What writing ``genres`` would do to a file; nothing is written.

    Args:
        force: replace the genres that are there.

    Raises:
        AudioError: the file cannot be read, or has no place for tags.
    """
    before = read_genres(path)
    if before == genres:
        return TagPlan(action=Action.SAME, before=before, after=before)
    if before and not force:
        return TagPlan(action=Action.KEEP, before=before, after=before)
    return TagPlan(action=Action.WRITE, before=before, after=genres)


def write_genres(path: Path, genres: list[str], journal: TagJournal) -> None:
    """Gives a file other genres, with a line in the journal first.

    A copy is changed, synced and put in the file's place, with its permissions and owner; where ``path`` is a symbolic
    link, in the place of the file it leads to.

    Raises:
        AudioError: the file cannot be read or written; it is as it was.
    """
    with _rewriting(path) as copy:
        change = Change(path=path.absolute(), before=read_genres(copy), after=genres, had_tags=has_tags(copy))
        set_genres(copy, genres)
        if read_genres(copy) != genres:
            raise AudioError(path, "its tags did not take the genre")
        journal.record(change)


def take_back(change: Change) -> bool:
    """Undoes one change; returns whether there was anything to undo.

    Raises:
        AudioError: the file cannot be read or written, or has got other genres since.
    """
    now = read_genres(change.path)
    if now == change.before:
        return False
    if now != change.after:
        raise AudioError(change.path, f"has got other genres since ({', '.join(now) or 'none'}); left alone")
    with _rewriting(change.path) as copy:
        set_genres(copy, change.before, drop_tags=not change.had_tags)
    return True


@contextlib.contextmanager
def _rewriting(path: Path) -> Iterator[Path]:
    """A copy beside the file, which takes its place when the block has done its work."""
    copy = None
    try:
        target = path.resolve(strict=True)
        if not os.access(target, os.W_OK):
            raise PermissionError(None, "no permission to write it")
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=".tags-", suffix=target.suffix)
        os.close(handle)
        copy = Path(name)
        shutil.copyfile(target, copy)
        yield copy
        status = target.stat()
        with contextlib.suppress(PermissionError):  # only root may give a file away
            os.chown(copy, status.st_uid, status.st_gid)
        shutil.copymode(target, copy)
        with copy.open("rb") as file:
            os.fsync(file.fileno())
        copy.replace(target)
    except OSError as error:
        raise AudioError(path, f"its tags cannot be written ({(error.strerror or str(error)).lower()})") from error
    finally:
        if copy is not None:
            copy.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # some network file systems sync no folders
        _sync(target.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
