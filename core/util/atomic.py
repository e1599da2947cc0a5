"""Atomic writes: files are complete or absent even if the writer dies."""

import contextlib
import errno
import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any, Literal

LONGEST_STEM = 100
"""Most characters of a file's name in the name of its temporary file."""


@contextlib.contextmanager
def replacing(path: Path, *, sync: bool = True, mode: int | None = None) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` to write to; on success it is synced and renamed to ``path``.

    If the block raises, the temporary file is removed and ``path`` is unchanged. This is for internal files; for a file
    named by the user, see `open_output`.

    Args:
        sync: False is for caches only: a power failure may then leave a damaged file.
        mode: permissions of the new file, by default what the umask allows.
    """
    path = Path(path)
    # The suffix is kept, because many writers, such as that of PNG, choose the format by it.
    temporary = path.with_name(f".{path.stem[:LONGEST_STEM]}-{secrets.token_hex(4)}{path.suffix}")
    os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666 if mode is None else mode))
    try:
        yield temporary
        if mode is not None:
            temporary.chmod(mode)
        if sync:
            sync_file(temporary)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if sync:
        sync_file(path.parent)


def write_atomic(path: Path, data: bytes, *, sync: bool = True, mode: int | None = None) -> None:
    """Write ``data`` to ``path`` so that readers see either the old or the new content."""
    with replacing(path, sync=sync, mode=mode) as temporary:
        temporary.write_bytes(data)


@contextlib.contextmanager
def open_output(path: Path, mode: Literal["w", "wb"] = "wb", *, newline: str | None = None) -> Iterator[IO[Any]]:
    """Open an output file named by the user.

    A regular or new file gets its content when the block ends without an error; otherwise it keeps the old content or
    stays absent. Symbolic links are followed, and their target is replaced. FIFOs, devices and open descriptors
    (``/dev/stdout``) are written to directly. Text is UTF-8.

    Raises:
        OSError: the file cannot be written; this may also be raised at the end of the block, if the disk is full.
    """
    text: dict[str, Any] = {} if mode == "wb" else {"encoding": "utf-8", "errors": "backslashreplace"}
    target = _replaceable(path)
    if target is None:
        with os.fdopen(_open_in_place(path), mode, newline=newline, **text) as file:
            yield file
    else:
        with _replacing_output(target) as temporary, temporary.open(mode, newline=newline, **text) as file:
            yield file


@contextlib.contextmanager
def output_path(path: Path) -> Iterator[Path]:
    """As `open_output`, for writers that need a path: yields the path to write to."""
    target = _replaceable(path)
    if target is not None:
        with _replacing_output(target) as temporary:
            yield temporary
        return
    with tempfile.TemporaryDirectory(prefix="genre-tui-") as folder:
        staged = Path(folder) / (Path(path).name or "output")
        yield staged
        with staged.open("rb") as source, os.fdopen(_open_in_place(path), "wb") as file:
            shutil.copyfileobj(source, file)


def write_output(path: Path, data: bytes) -> None:
    """Write ``data`` to an output file named by the user; see `open_output`."""
    with open_output(path, "wb") as file:
        file.write(data)


def _replaceable(path: Path) -> Path | None:
    """The regular or new file that ``path`` leads to; None if it has to be written in place.

    Raises:
        OSError: it is a folder or a read-only file.
    """
    try:
        status = Path(path).stat()
    except FileNotFoundError:
        return Path(path).resolve()
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    target = Path(path).resolve()
    if not stat.S_ISREG(status.st_mode) or _descriptor(path) is not None or not os.access(target.parent, os.W_OK):
        return None
    if not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), os.fspath(path))
    return target


def _replacing_output(target: Path) -> AbstractContextManager[Path]:
    """As `replacing`, keeping the permissions of an existing file."""
    mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else None
    return replacing(target, mode=mode)


def _open_in_place(path: Path) -> int:
    """A descriptor. An open one of this process is duplicated, so that its other output is not overwritten."""
    descriptor = _descriptor(path)
    return os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC) if descriptor is None else os.dup(descriptor)


def _descriptor(path: Path) -> int | None:
    """The descriptor of this process that ``path`` names, as /dev/stdout and /dev/fd/3 do."""
    link = Path(path)
    for _ in range(40):  # the number of links that the kernel follows
        link = link.parent.resolve() / link.name
        if (named := re.fullmatch(rf"/proc/{os.getpid()}/(?:task/\d+/)?fd/(\d+)", str(link))) is not None:
            return int(named[1])
        if not link.is_symlink():
            return None
        link = link.parent / link.readlink()
    return None


def sync_file(path: Path) -> None:
    """Sync a file, or the entries of a folder, to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
