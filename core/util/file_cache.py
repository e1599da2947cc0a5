"""A cache of values per file of a folder, valid until the file changes."""

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Generic, Self, TypeVar

import msgspec

from core.util.atomic import write_atomic
from core.util.errors import reason
from core.util.parallel import cores, ordered_map
from core.util.paths import cache_folder

Stamp = tuple[int, int, int]
"""Size, and the times in ns at which the content and the inode changed; a program can set back only the first."""
VERSION = 5
Value = TypeVar("Value", bound=msgspec.Struct)


class _Saved(msgspec.Struct, Generic[Value]):
    version: int
    files: dict[str, tuple[Stamp, Value]]


class FileCache(Generic[Value]):
    """Values by the name of a file below a folder, valid while the file's stamp is unchanged.

    A cache that cannot be read or written is ignored.
    """

    def __init__(self, root: Path, kind: str, type: type[Value]) -> None:
        """
        Args:
            kind: the name of the folder for caches of this kind.
        """
        name = hashlib.blake2b(os.fsencode(root.resolve()), digest_size=16).hexdigest()
        self._path = cache_folder() / kind / f"{name}.msgpack"
        self._old: dict[str, tuple[Stamp, Value]] = {}
        self._new: dict[str, tuple[Stamp, Value]] = {}
        with contextlib.suppress(OSError, msgspec.DecodeError):
            saved = msgspec.msgpack.decode(self._path.read_bytes(), type=_Saved[type])  # type: ignore[valid-type]
            self._old = saved.files if saved.version == VERSION else {}

    def all(self, files: Sequence[tuple[Path, str]], find: Callable[[Path], Value | str]) -> Iterator[Value | str]:
        """Yield the value of each file, or why it has none, in order; one file per thread.

        Args:
            files: path and name of each file.
            find: returns the value, or a reason why there is none; only values are cached.
        """
        stamps = [_stamp_of(path) for path, _ in files]
        known = [self._known(name, stamp) for (_, name), stamp in zip(files, stamps, strict=True)]
        unknown = [
            path
            for (path, _), value, stamp in zip(files, known, stamps, strict=True)
            if value is None and not isinstance(stamp, str)
        ]
        found = ordered_map(find, unknown, cores())
        for (_, name), value, stamp in zip(files, known, stamps, strict=True):
            if isinstance(stamp, str):
                yield stamp
                continue
            result = next(found) if value is None else value
            if not isinstance(result, str):
                self._new[name] = stamp, result
            yield result

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Save the values. Those of removed files are dropped, unless an exception left some files unseen."""
        if kind is not None:
            self._new = self._old | self._new
        if self._new == self._old:
            return
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(self._path, msgspec.msgpack.encode(_Saved(VERSION, self._new)))

    def _known(self, name: str, stamp: Stamp | str) -> Value | None:
        known = self._old.get(name)
        return known[1] if known and known[0] == stamp else None


def _stamp_of(path: Path) -> Stamp | str:
    """The file's stamp, or why it has none."""
    try:
        status = path.stat()
    except OSError as error:
        return f"cannot be read ({reason(error).lower()})"
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns
