"""What earlier scans found, so that a file that has not changed is not decoded again."""

import contextlib
import hashlib
import os
from pathlib import Path

import msgspec

from core.dataset.cache import cache_folder
from core.dataset.examine import Examined
from core.runs.atomic import write_atomic

Stamp = tuple[int, int, int]
"""Size, time of the last change to the content and to the inode, in ns. The second notices a file whose time was set
back."""
VERSION = 1


class _Saved(msgspec.Struct):
    version: int
    files: dict[str, tuple[Stamp, Examined]]


class ScanMemo:
    """The findings for one dataset folder: file name relative to it → stamp and finding.

    It is a convenience: what cannot be read is scanned again, and a cache that cannot be written is done without.
    """

    def __init__(self, root: Path) -> None:
        name = hashlib.blake2b(os.fsencode(root.resolve()), digest_size=16).hexdigest()
        self._path = cache_folder() / "scans" / f"{name}.msgpack"
        self._old: dict[str, tuple[Stamp, Examined]] = {}
        self._new: dict[str, tuple[Stamp, Examined]] = {}
        with contextlib.suppress(OSError, msgspec.DecodeError):
            saved = msgspec.msgpack.decode(self._path.read_bytes(), type=_Saved)
            self._old = saved.files if saved.version == VERSION else {}

    def get(self, key: str, stamp: Stamp) -> Examined | None:
        known = self._old.get(key)
        return known[1] if known and known[0] == stamp else None

    def put(self, key: str, stamp: Stamp, examined: Examined) -> None:
        self._new[key] = (stamp, examined)

    def save(self) -> None:
        """Keeps what was put since the memo was opened, and nothing of files that are gone."""
        if self._new == self._old:
            return
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(self._path, msgspec.msgpack.encode(_Saved(VERSION, self._new)))


def stamp_of(path: Path) -> Stamp:
    """Raises OSError where the file is gone."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns
