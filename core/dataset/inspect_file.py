"""One file of a dataset: what it is, its hash, and whether it is fit for training."""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import numpy as np
import numpy.typing as npt

from core.audio.errors import AudioError
from core.audio.files.decode import AudioReader
from core.audio.files.open_file import open_file, peek
from core.audio.files.pcm import read_header, read_pcm16
from core.util.atomic import write_atomic
from core.util.dirs import cache_folder

SILENCE = 1e-4
"""Range of samples, from the lowest to the highest, below which a clip is silent: about -86 dB of full scale."""
SHORTEST = 0.5
"""Seconds."""

SAMPLES_AT_ONCE = 1 << 20


class FileInspection(msgspec.Struct, frozen=True):
    """What a look at a file's content found. ``reason`` says why it is unfit; it is None for a fit one."""

    content: str = ""
    format: str = ""
    rate: int = 0
    channels: int = 0
    duration_s: float = 0.0
    reason: str | None = None


def inspect_file(path: str | os.PathLike[str]) -> FileInspection:
    """Hash and decode a whole file, a block at a time.

    Raises:
        AudioError: it cannot be opened or read; what is wrong with its content is in ``FileInspection.reason``.
    """
    with open_file(path) as file:
        content = content_hash(file)
        try:
            return _judge(path, file, content)
        except AudioError as error:
            return FileInspection(content=content, reason=error.reason)


def _judge(path: str | os.PathLike[str], file: BinaryIO, content: str) -> FileInspection:
    reader = AudioReader(path, file)
    info = reader.info
    samples, rate, low, high = 0, info.rate, np.inf, -np.inf
    for block, rate, full_scale in _blocks(reader):  # noqa: B007 - a decoder knows the rate better than the header
        samples += len(block)
        low, high = min(low, block.min() / full_scale), max(high, block.max() / full_scale)
    reader.seconds = seconds = samples / rate
    reason = reader.damage
    if reason is None and seconds < SHORTEST:
        reason = f"is too short ({seconds:.2f} s)"
    elif reason is None and high - low < SILENCE:
        reason = "is silent"
    return FileInspection(content, info.format, rate, info.channels, seconds, reason)


def _blocks(reader: AudioReader) -> Iterator[tuple[npt.NDArray[Any], int, float]]:
    """Samples, their rate, and the number that is full scale; 16-bit samples are looked at as they are."""
    header = read_header(reader.file)
    if header is None or not header.is_plain:
        yield from ((block, rate, 1.0) for block, rate in reader.blocks())
        return
    for start in range(0, header.frames, SAMPLES_AT_ONCE):
        yield read_pcm16(reader.file, header, start, SAMPLES_AT_ONCE), header.rate, 32768.0
    if not header.frames:
        raise AudioError(reader.path, "holds no samples")


def content_hash(file: BinaryIO) -> str:
    """The first 128 bits of the SHA-256 of the file's bytes, as hexadecimal digits."""
    digest = hashlib.sha256()
    offset = 0
    while chunk := peek(file, 1 << 20, offset):
        digest.update(chunk)
        offset += len(chunk)
    return digest.hexdigest()[:32]


Stamp = tuple[int, int, int]
"""Size, time of the last change to the content and to the inode, in ns. The second notices a file whose time was set
back."""
VERSION = 1


class _Saved(msgspec.Struct):
    version: int
    files: dict[str, tuple[Stamp, FileInspection]]


class ScanCache:
    """The findings for one dataset folder: file name relative to it → stamp and finding.

    It is a convenience: what cannot be read is scanned again, and a cache that cannot be written is done without.
    """

    def __init__(self, root: Path) -> None:
        name = hashlib.blake2b(os.fsencode(root.resolve()), digest_size=16).hexdigest()
        self._path = cache_folder() / "scans" / f"{name}.msgpack"
        self._old: dict[str, tuple[Stamp, FileInspection]] = {}
        self._new: dict[str, tuple[Stamp, FileInspection]] = {}
        with contextlib.suppress(OSError, msgspec.DecodeError):
            saved = msgspec.msgpack.decode(self._path.read_bytes(), type=_Saved)
            self._old = saved.files if saved.version == VERSION else {}

    def get(self, key: str, stamp: Stamp) -> FileInspection | None:
        known = self._old.get(key)
        return known[1] if known and known[0] == stamp else None

    def put(self, key: str, stamp: Stamp, inspection: FileInspection) -> None:
        self._new[key] = (stamp, inspection)

    def save(self) -> None:
        """Keeps what was put since the cache was opened, and nothing of files that are gone."""
        if self._new == self._old:
            return
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(self._path, msgspec.msgpack.encode(_Saved(VERSION, self._new)))


def stamp_of(path: Path) -> Stamp:
    """Raises OSError where the file is gone."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns
