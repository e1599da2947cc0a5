"""Paths that lead into archives: ``music.zip/rock/a.mp3`` is read as if the archive were a folder.

`as_path` makes an `ArchivePath` of a path at or in an archive. It lists, opens and describes what is inside, so that
code written for `pathlib.Path` works on both; ``music.zip`` itself is a folder then.
"""

import io
import os
import re
import stat
import threading
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO, NamedTuple

from core.util.archive.index import KINDS, Archive
from core.util.errors import ArchiveError

SUFFIXES = tuple(KINDS)
_IN_ARCHIVE = re.compile("(" + "|".join(map(re.escape, sorted(SUFFIXES, key=len, reverse=True))) + ")(?=/|$)", re.I)
MOST_OPEN = 4
"""Most archives whose index is kept in memory."""
_TIMES = ("st_atime", "st_mtime", "st_ctime", "st_atime_ns", "st_mtime_ns", "st_ctime_ns")
_Stamp = tuple[int, int, int, int]


class _Member(NamedTuple):
    """An archive that exists, and the name of something in it; "" for all of it."""

    file: str
    kind: str
    status: os.stat_result
    name: str


def is_archive(path: str | os.PathLike[str]) -> bool:
    """Whether the path is an archive or leads into one."""
    return _member(path) is not None


def without_suffix(name: str) -> str:
    """``music.tar.gz`` → ``music``; other names stay as they are."""
    suffix = next((suffix for suffix in SUFFIXES if name.lower().endswith(suffix)), "")
    return name[: len(name) - len(suffix)] or name


def as_path(path: str | os.PathLike[str]) -> Path:
    """The path, as an `ArchivePath` if it is an archive or leads into one."""
    return ArchivePath(path) if is_archive(path) else Path(path)


def folder_above(path: Path) -> Path:
    """The parent folder of a path; for a path into an archive, that of the archive."""
    member = _member(path)
    return (path if member is None else Path(member.file)).absolute().parent


def archive_faults(path: Path) -> list[tuple[str, str]]:
    """Names and reasons of unusable files in the archive at ``path``; empty for other paths.

    Raises:
        OSError: the archive cannot be read.
    """
    member = _member(path)
    return [] if member is None or member.name else list(_opened(member).faults)


def open_in_archive(path: str | os.PathLike[str]) -> BinaryIO | None:
    """An unbuffered, unnamed copy of a file in an archive; None if the path does not lead into one.

    Raises:
        OSError: the file does not exist, or it is damaged.
    """
    member = _member(path)
    if member is None or not member.name:
        return None
    archive = _opened(member)
    if member.name not in archive.files:
        if member.name in archive.folders:
            raise IsADirectoryError(21, "is a folder", os.fspath(path))
        raise FileNotFoundError(2, "No such file or directory", os.fspath(path))
    return archive.open(member.name)


class ArchivePath(type(Path())):  # type: ignore[misc]  # the platform's path class
    """A path at or in an archive; other paths behave as with `pathlib.Path`."""

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        member = _member(self)
        if member is None:
            return os.stat(self, follow_symlinks=follow_symlinks)  # noqa: PTH116
        archive = _opened(member)
        if member.name in archive.folders:
            mode, size, number = stat.S_IFDIR | 0o555, 0, hash(member.name) & (1 << 62) - 1
        elif member.name in archive.files:
            mode, size, number = stat.S_IFREG | 0o444, archive.files[member.name].size, 0
        else:
            raise FileNotFoundError(2, "No such file or directory", str(self))
        of = member.status
        times = {name: getattr(of, name) for name in _TIMES}
        seconds = (int(of.st_atime), int(of.st_mtime), int(of.st_ctime))
        return os.stat_result((mode, number, of.st_ino, 1, of.st_uid, of.st_gid, size, *seconds), times)

    def exists(self, *, follow_symlinks: bool = True) -> bool:
        return self._kind() != 0

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        return stat.S_ISDIR(self._kind())

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        return stat.S_ISREG(self._kind())

    def iterdir(self) -> Iterator[Any]:
        member = _member(self)
        if member is None:
            yield from super().iterdir()
            return
        inner = _opened(member).folders.get(member.name)
        if inner is None:
            raise NotADirectoryError(20, "Not a directory", str(self))
        yield from (self / name for name in inner)

    def open(
        self,
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> IO[Any]:
        """Open a file; files in archives are read-only."""
        member = _member(self)
        if member is None:
            return super().open(mode, buffering, encoding, errors, newline)  # type: ignore[no-any-return]
        if set(mode) - set("rbt"):
            raise PermissionError(13, "archives are only read", str(self))
        copy = open_in_archive(self)
        if copy is None:
            raise IsADirectoryError(21, "is an archive", str(self))
        if "b" in mode and buffering == 0:
            return copy
        buffered = io.BufferedReader(copy)  # type: ignore[type-var]
        return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding, errors, newline)

    def _kind(self) -> int:
        """The mode, 0 if the path does not exist. A damaged archive counts as a folder that cannot be listed."""
        try:
            return self.stat().st_mode
        except ArchiveError:
            member = _member(self)
            return stat.S_IFDIR if member is not None and not member.name else 0
        except OSError:
            return 0


class Entry(NamedTuple):
    """An entry of a folder, with the interface of `os.DirEntry`."""

    name: str
    path: str
    folder: bool

    def is_dir(self) -> bool:
        return self.folder


def is_folder(entry: os.DirEntry[str] | Entry) -> bool:
    """Whether an entry is a folder or a link to one; False for a loop of links."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def list_folder(folder: Path) -> "list[os.DirEntry[str]] | list[Entry]":
    """The entries of a folder on disk or in an archive, sorted by name.

    Raises:
        OSError: it cannot be listed.
    """
    if isinstance(folder, ArchivePath):
        inner = [Entry(path.name, str(path), path.is_dir()) for path in folder.iterdir()]
        return sorted(inner, key=lambda entry: os.fsencode(entry.name))
    with os.scandir(folder) as listed:
        return sorted(listed, key=lambda entry: os.fsencode(entry.name))


_indexes: OrderedDict[tuple[str, _Stamp], Archive | ArchiveError] = OrderedDict()
"""Indexes, or the errors of archives that cannot be listed, because detecting these may take equally long."""
_lock = threading.Lock()


def _opened(member: _Member) -> Archive:
    of = member.status
    key = (os.path.abspath(member.file), (of.st_dev, of.st_ino, of.st_size, of.st_mtime_ns))  # noqa: PTH100
    with _lock:
        if key not in _indexes:
            try:
                _indexes[key] = KINDS[member.kind](member.file)
            except ArchiveError as error:
                _indexes[key] = error.with_traceback(None)
            if len(_indexes) > MOST_OPEN:
                _indexes.popitem(last=False)
        _indexes.move_to_end(key)
        archive = _indexes[key]
    if isinstance(archive, ArchiveError):
        raise ArchiveError(archive.reason)
    return archive


def _member(path: str | os.PathLike[str]) -> _Member | None:
    text = os.fspath(path)
    for found in _IN_ARCHIVE.finditer(text):
        file = text[: found.end()]
        try:
            status = os.stat(file)  # noqa: PTH116
        except (OSError, ValueError):
            return None
        if stat.S_ISREG(status.st_mode):
            return _Member(file, found[0].lower(), status, text[found.end() :].strip("/"))
    return None
