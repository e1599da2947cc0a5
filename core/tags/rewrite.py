"""Rewriting a file so that it is never damaged if the program dies, and keeps its attributes and links.

The new content is written to a copy beside the file, which then replaces it, with the same permissions, owner, access
lists and extended attributes. A file with several hard links is overwritten in place from the finished copy. A note in
the journals' folder lets the next command remove a copy that a killed one left, or finish overwriting.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import msgspec

from core.audio.files.open_file import AudioError
from core.tags.journal import journals_folder
from core.util.atomic import sync_file
from core.util.errors import UserError, reason
from core.util.text import printable

_NOTES = "*.pending"


class _Note(msgspec.Struct):
    """A note about a rewrite, in a file that is locked while its process lives."""

    copy: bytes
    target: bytes
    inode: int
    in_place: bool
    """Whether the copy is complete and the target is being overwritten from it."""


@contextlib.contextmanager
def rewriting(path: Path) -> Iterator[Path]:
    """Yield a copy beside the file to edit, which replaces the file at the end of the block.

    If ``path`` is a symbolic link, its target is rewritten.

    Raises:
        AudioError: the file cannot be read or written; it is unchanged.
    """
    try:
        target = path.resolve(strict=True)
        if not os.access(target, os.W_OK):
            raise PermissionError(None, "no permission to write it")
        with _noted(target) as (copy, note):
            os.close(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            shutil.copyfile(target, copy)
            yield copy
            if target.stat().st_nlink > 1:
                sync_file(copy)
                note(in_place=True)
                try:
                    _reserve(target, copy.stat().st_size)
                except OSError:
                    note(in_place=False)
                    raise
                _overwrite(target, copy)
                note(in_place=False)
            else:
                _take_attributes(target, copy)
                sync_file(copy)
                copy.replace(target)
                with contextlib.suppress(OSError):  # some network file systems cannot sync folders
                    sync_file(target.parent)
    except AudioError as error:
        raise AudioError(path, error.reason) from error  # with the name of the file instead of the copy
    except OSError as error:
        raise AudioError(path, f"its tags cannot be written ({reason(error).lower()})") from error


def recover() -> list[str]:
    """Clean up after killed commands; returns a message for each file for which this failed.

    Copies are removed, and a file that was being overwritten gets its new content.
    """
    troubles = []
    for path in journals_folder().glob(_NOTES):
        with contextlib.suppress(FileNotFoundError), path.open("r+b") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                continue  # its command is still running
            try:
                _finish(msgspec.json.decode(file.read(), type=_Note))
            except msgspec.DecodeError:
                pass  # it was killed before it made a copy
            except OSError as error:
                troubles.append(f"{path.name}: a rewrite that was interrupted cannot be completed: {error}")
                continue
            path.unlink(missing_ok=True)
    return troubles


def _finish(note: _Note) -> None:
    copy, target = Path(os.fsdecode(note.copy)), Path(os.fsdecode(note.target))
    if note.in_place and copy.exists() and target.exists() and target.stat().st_ino == note.inode:
        _overwrite(target, copy)
    copy.unlink(missing_ok=True)


class _NoteCopy(Protocol):
    def __call__(self, *, in_place: bool) -> None: ...


@contextlib.contextmanager
def _noted(target: Path) -> Iterator[tuple[Path, _NoteCopy]]:
    """Yield a name for the copy, which is noted before the copy is made; both are removed afterwards.

    After an error while overwriting the target, both remain for `recover`.
    """
    folder = journals_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=folder, suffix=_NOTES[1:])
    except OSError as error:
        raise UserError(f"{printable(folder)} cannot be written ({error.strerror}), so no tag is changed") from error
    path = Path(name)
    copy = target.with_name(f".tags-{path.stem}{target.suffix}")
    overwriting = False

    def note(*, in_place: bool) -> None:
        nonlocal overwriting
        line = msgspec.json.encode(_Note(os.fsencode(copy), os.fsencode(target), target.stat().st_ino, in_place))
        os.pwrite(handle, line + b" ", 0)  # "true" is shorter than "false"
        os.fsync(handle)
        overwriting = in_place

    try:
        with contextlib.suppress(OSError):  # the file system has no locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        note(in_place=False)
        yield copy, note
    finally:
        if not overwriting:
            copy.unlink(missing_ok=True)
            path.unlink(missing_ok=True)
        os.close(handle)


def _reserve(target: Path, size: int) -> None:
    """Make sure that the file can grow to ``size``; on an error it is unchanged."""
    with target.open("r+b") as file:
        now = os.fstat(file.fileno()).st_size
        if size <= now or not hasattr(os, "posix_fallocate"):
            return
        try:
            os.posix_fallocate(file.fileno(), 0, size)
        except OSError:
            file.truncate(now)
            raise


def _overwrite(target: Path, copy: Path) -> None:
    with copy.open("rb") as source, target.open("r+b") as out:
        shutil.copyfileobj(source, out, 1 << 20)
        out.truncate()
        out.flush()
        os.fsync(out.fileno())


def _take_attributes(target: Path, copy: Path) -> None:
    """Copy owner, permissions, access lists and extended attributes from the file to the copy."""
    status = target.stat()
    with contextlib.suppress(OSError):  # only root may change the owner, and some file systems have no owners
        os.chown(copy, status.st_uid, status.st_gid)
    shutil.copystat(target, copy)
    os.utime(copy)  # players detect changed files by the time
    if hasattr(os, "listxattr"):
        with contextlib.suppress(OSError):  # the file system does not support them
            for name in {*os.listxattr(copy)} - {*os.listxattr(target)}:  # from the folder's default access list
                os.removexattr(copy, name)
