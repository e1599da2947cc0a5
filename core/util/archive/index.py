"""The files in a zip or tar archive, and each of them as an open file.

Nothing is unpacked beside the archive: opening a file copies it to an unnamed temporary file. Names that lead out of
the archive, links, devices and everything else that is not a regular file are listed as faults.
"""

import contextlib
import os
import re
import stat
import tarfile
import tempfile
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import IO, Any, BinaryIO, NamedTuple, cast

from core.util.archive.gzip_reader import LARGEST_READ, MOST_EXPANSION, Checkpoints, GzipReader
from core.util.errors import ArchiveError, first_line
from core.util.files import DEEPEST

LARGEST_FILE = 8 << 30
"""Bytes of the largest file that is copied out of an archive."""
MOST_FILES = 2_000_000
EXPANSION_FROM = 64 << 20
"""Size of a file from which its expansion is checked: short silence expands a thousandfold."""
CHUNK = 1 << 20
BLOCK = 512
"""Bytes of a tar header."""
DRIVE = re.compile(r"[A-Za-z]:")
ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError, LookupError, MemoryError)
"""Exceptions that zipfile raises for damaged archives; RuntimeError includes NotImplementedError."""


class Fault(NamedTuple):
    """A file of an archive that cannot be used, and why."""

    name: str
    reason: str


class Member(NamedTuple):
    """A regular file; ``location`` is its entry in a zip, or the offset of its content in a tar."""

    size: int
    location: Any


class Archive(ABC):
    """The files of an archive.

    Attributes:
        files: the regular files by name, with components separated by ``/``.
        folders: the names in each folder; "" is the archive itself.
        faults: files that cannot be used.
    """

    def __init__(self, path: str) -> None:
        """
        Raises:
            ArchiveError: it is not an archive of this kind, or completely damaged.
            OSError: it cannot be read.
        """
        self.path = path
        self.files: dict[str, Member] = {}
        self.folders: dict[str, set[str]] = {"": set()}
        self.faults: list[Fault] = []
        self._list()
        for name in self.files.keys() & self.folders.keys():
            del self.files[name]
            self.faults.append(Fault(name, "has the name of a folder of the archive"))

    def open(self, name: str) -> BinaryIO:
        """Copy a file to an unbuffered temporary file, positioned at its beginning.

        Raises:
            ArchiveError: it is damaged, encrypted or too large.
            OSError: there is not enough disk space.
        """
        member = self.files[name]
        if member.size > LARGEST_FILE:
            raise ArchiveError(f"is larger than {LARGEST_FILE >> 30} GB, the most that is read from an archive")
        copy = cast("BinaryIO", tempfile.TemporaryFile(buffering=0, prefix="genre-tui-"))  # noqa: SIM115 - is returned
        try:
            left = member.size
            for part in self._content(member):
                left -= len(part)
                if left < 0:
                    break
                copy.write(part)
            if left:
                raise ArchiveError("is damaged in the archive: it is not as long as it should be")
            copy.seek(0)
        except BaseException:
            copy.close()
            raise
        return copy

    @abstractmethod
    def _list(self) -> None:
        """List the files, folders and faults."""

    @abstractmethod
    def _content(self, member: Member) -> Iterator[bytes]:
        """Yield the content of a file in pieces."""

    def _add(self, name: str, member: Member) -> None:
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if name.startswith("/") or ".." in parts or DRIVE.match(name) or "\0" in name or not parts:
            self.faults.append(Fault(name, "has a path that leads out of the archive"))
            return
        if len(parts) > DEEPEST:
            self.faults.append(Fault("/".join(parts[:DEEPEST]), f"is more than {DEEPEST} folders deep in the archive"))
            return
        if len(self.files) >= MOST_FILES:
            raise ArchiveError(f"holds more than {MOST_FILES:,} files")
        full = "/".join(parts)
        if full in self.files:
            self.faults.append(Fault(full, "is in the archive more than once; the last one counts"))
        self.files[full] = member
        for depth in range(len(parts), 0, -1):
            folder = "/".join(parts[: depth - 1])
            inner = self.folders.setdefault(folder, set())
            if parts[depth - 1] in inner:
                break
            inner.add(parts[depth - 1])


class ZipArchive(Archive):
    """Random access by the central directory."""

    def _list(self) -> None:
        try:
            self._zip = zipfile.ZipFile(self.path)
            infos = self._zip.infolist()
        except ZIP_ERRORS as error:
            raise ArchiveError(f"is not a zip archive, or is damaged ({first_line(error)})") from error
        for info in infos:
            name = _zip_name(info)
            mode = info.external_attr >> 16
            if info.is_dir():
                continue
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
                self.faults.append(Fault(name, "is a link or a device in the archive, not a file"))
            else:
                self._add(name, Member(info.file_size, info))

    def _content(self, member: Member) -> Iterator[bytes]:
        info: zipfile.ZipInfo = member.location
        if info.flag_bits & 1:
            raise ArchiveError("is encrypted in the archive: unpack it with its password first")
        if info.file_size > max(EXPANSION_FROM, MOST_EXPANSION * info.compress_size):
            raise ArchiveError(f"expands to more than {MOST_EXPANSION} times its size in the archive")
        try:
            with self._zip.open(info) as file:
                while part := file.read(CHUNK):
                    yield part
        except ZIP_ERRORS as error:
            raise ArchiveError(f"is damaged in the archive ({first_line(error)})") from error


class TarArchive(Archive):
    """Listed in one pass, with checkpoints for random access if it is compressed."""

    def _list(self) -> None:
        is_gzip = _begins_with_gzip(self.path)
        self._checkpoints = Checkpoints() if is_gzip else None
        last = ""
        with self._reader() as file:
            try:
                with tarfile.open(fileobj=cast("IO[bytes]", file), mode="r:") as tar:
                    while (info := tar.next()) is not None:
                        cast("Any", tar).members.clear()  # they are stored in self.files
                        last = info.name
                        self._take(info)
                    end = tar.offset
                file.seek(end)
                damaged = any(file.read(BLOCK) or b"")
            except tarfile.ReadError as error:
                if not last:
                    raise ArchiveError(f"is not a tar archive, or is damaged ({first_line(error)})") from error
                damaged = True
            except (tarfile.TarError, ValueError, OverflowError, RecursionError, MemoryError) as error:
                raise ArchiveError(f"is damaged ({first_line(error)})") from error
            if damaged or (isinstance(file, GzipReader) and file.is_cut_off):
                self.faults.append(Fault(os.path.basename(self.path), f"is cut off or damaged after {last}"))  # noqa: PTH119

    def _take(self, info: tarfile.TarInfo) -> None:
        if info.isdir():
            return
        if not info.isreg() or info.issparse():
            self.faults.append(Fault(info.name, "is a link or a device in the archive, not a file"))
        else:
            self._add(info.name, Member(info.size, info.offset_data))

    def _content(self, member: Member) -> Iterator[bytes]:
        with self._reader(member.location) as file:
            file.seek(member.location)
            left = member.size
            while left and (part := file.read(min(CHUNK, left))):
                yield part
                left -= len(part)

    @contextlib.contextmanager
    def _reader(self, at: int = 0) -> Iterator["GzipReader | _Capped"]:
        with open(self.path, "rb", buffering=0) as file:  # noqa: PTH123
            if self._checkpoints is None:
                yield _Capped(file)
                return
            reader = self._checkpoints.reader(file, at)
            yield reader
            self._checkpoints.give_back(reader)  # not after an error


class _Capped:
    """A file that returns at most `LARGEST_READ` bytes at a time, whatever size a header states."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, count: int = -1) -> bytes:
        return self._file.read(min(count, LARGEST_READ) if count >= 0 else LARGEST_READ)


KINDS: dict[str, Callable[[str], Archive]] = {
    ".zip": ZipArchive,
    ".tar": TarArchive,
    ".tar.gz": TarArchive,
    ".tgz": TarArchive,
}
"""Archive classes by lower-case suffix."""


def _begins_with_gzip(path: str) -> bool:
    with open(path, "rb") as file:  # noqa: PTH123
        return file.read(2) == b"\x1f\x8b"


def _zip_name(info: zipfile.ZipInfo) -> str:
    """The name with ``/`` instead of Windows separators, decoded as UTF-8 if possible even if it is not declared."""
    name = info.filename.replace("\\", "/")
    if not info.flag_bits & 0x800:
        with contextlib.suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return name
