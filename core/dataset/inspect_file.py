"""Inspecting the files of a dataset: format, length, content hash, and whether it can be trained on.

`inspect_file` reads the header and the sound at both ends; `inspect_whole` decodes the whole file; `inspect_files` does
either for many files, and remembers the results.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import numpy as np
import numpy.typing as npt

from core.audio.files.decode import AudioReader
from core.audio.files.open_file import AudioError, open_file, peek
from core.audio.files.pcm import read_header, read_pcm16
from core.audio.files.truncation import missing
from core.dataset.clip import OnProgress
from core.util.file_cache import FileCache

SILENCE = 1e-4
"""Difference between the highest and lowest sample below which sound counts as silence: about -86 dB of full scale."""
SHORTEST = 0.5
"""Seconds of the shortest usable clip."""
SHORTEST_PROBED = 10.0
"""Shortest file for which decoding both ends takes less time than decoding all of it."""
PROBE_SECONDS = 1.0
"""Seconds decoded at either end; they are doubled as long as they are silent."""
SAMPLES_AT_ONCE = 1 << 20


class FileInspection(msgspec.Struct, frozen=True):
    """The result of inspecting a file. ``reason`` says why no part of it can be used; None if it can be used."""

    content: str = ""
    format: str = ""
    rate: int = 0
    channels: int = 0
    duration_s: float = 0.0
    reason: str | None = None
    silent_s: float = 0.0
    """Seconds of silence that it begins with."""
    silent_end_s: float = 0.0
    """Seconds of silence that it ends with."""
    is_decoded: bool = True
    """Whether the whole file was decoded, which finds damage in the middle."""

    def rejection(self, seconds: float) -> str | None:
        """Why the first ``seconds``, the part that is used, cannot be trained on; None if they can."""
        if self.reason is None and self.silent_s >= seconds:
            return f"is silent in its first {seconds:g} s"
        return self.reason


def inspect_whole(path: str | os.PathLike[str]) -> FileInspection:
    """Hash and decode a whole file, block by block.

    Raises:
        AudioError: it cannot be opened or read. Errors in its content are in `FileInspection.reason`.
    """
    with open_file(path) as file:
        content = content_hash(file)
        try:
            return _inspect_open(path, file, content)
        except AudioError as error:
            return FileInspection(content=content, reason=error.reason)


def inspect_file(path: str | os.PathLike[str]) -> FileInspection:
    """Hash a file and decode only the sound at both ends, if the container states the length.

    Damage in between is not found. Files of unknown length, truncated files and files that are silent near their ends
    are decoded completely, and so are short files and plain PCM, for which it takes no longer.

    Raises:
        AudioError: it cannot be opened or read.
    """
    with open_file(path) as file:
        content = content_hash(file)
        try:
            return _probe_open(path, file, content) or _inspect_open(path, file, content)
        except AudioError as error:
            return FileInspection(content=content, reason=error.reason)


@dataclass(frozen=True)
class Decoding:
    """Options for decoding complete files, which finds damage in the middle."""

    most_hours: float
    """Most hours that are decoded; if there are more, nothing is."""
    on_progress: OnProgress | None = None


def inspect_files(
    root: Path, files: list[tuple[Path, str]], on_progress: OnProgress | None, decoding: Decoding | None
) -> list[FileInspection | str]:
    """Inspect each file, or recall its inspection if it has not changed; for each the result, or why it cannot be read.

    Args:
        files: path and name of each file below ``root``.
    """
    findings = _remembered("scans", root, files, _inspect, on_progress)
    left = [i for i, one in enumerate(findings) if not isinstance(one, str) and not one.is_decoded]
    hours = sum(one.duration_s for one in findings if not isinstance(one, str) and not one.is_decoded) / 3600
    if decoding is not None and left and hours <= decoding.most_hours:
        decoded = _remembered("decoded", root, [files[i] for i in left], _inspect_whole, decoding.on_progress)
        for i, finding in zip(left, decoded, strict=True):
            findings[i] = finding
    return findings


def _remembered(
    kind: str,
    root: Path,
    files: list[tuple[Path, str]],
    find: Callable[[Path], FileInspection | str],
    on_progress: OnProgress | None,
) -> list[FileInspection | str]:
    findings: list[FileInspection | str] = []
    with FileCache(root, kind, FileInspection) as cache:
        for finding in cache.all(files, find):
            findings.append(finding)
            if on_progress:
                on_progress(len(findings), len(files))
    return findings


def _inspect(path: Path) -> FileInspection | str:
    """Inspect a file by its header and ends; returns why it cannot be read if it cannot."""
    try:
        return inspect_file(path)
    except AudioError as error:
        return error.reason


def _inspect_whole(path: Path) -> FileInspection | str:
    """Inspect a file by decoding all of it; returns why it cannot be read if it cannot."""
    try:
        return inspect_whole(path)
    except AudioError as error:
        return error.reason


def _probe_open(path: str | os.PathLike[str], file: BinaryIO, content: str) -> FileInspection | None:
    """As `inspect_file`; None if the whole file has to be decoded."""
    reader = AudioReader(path, file)
    if reader.is_plain:
        return None
    info, seconds = reader.info, reader.promised_s
    if seconds is None or seconds < SHORTEST_PROBED:
        return None
    silent_s = _silence_at_start(path, file, seconds)
    silent_end_s = None if silent_s is None else _silence_at_end(path, file, seconds)
    if silent_s is None or silent_end_s is None:
        return None
    return FileInspection(
        content, info.format, info.rate, info.channels, seconds, None, silent_s, silent_end_s, is_decoded=False
    )


def _silence_at_start(path: str | os.PathLike[str], file: BinaryIO, seconds: float) -> float | None:
    """Seconds of silence at the beginning; None if the file is silent."""
    silence, start, length = _LeadingSilence(), 0.0, PROBE_SECONDS
    while start < seconds:
        for block_N, rate in AudioReader(path, file).pieces(start, length):
            silence.push(block_N, 1.0)
            if silence.is_over:
                return silence.samples / rate
        start, length = start + length, 2 * length
    return None


def _silence_at_end(path: str | os.PathLike[str], file: BinaryIO, seconds: float) -> float | None:
    """Seconds of silence at the end; None if the file is silent or ends before ``seconds``."""
    silence, end, length = _LeadingSilence(), seconds, PROBE_SECONDS
    while end > 0:
        start = max(0.0, end - length)
        reader = AudioReader(path, file)
        pieces = list(reader.pieces(start, None if end == seconds else end - start))
        if end == seconds and missing(seconds, start + reader.seconds):
            return None
        for block_N, rate in reversed(pieces):
            silence.push(block_N[::-1], 1.0)
            if silence.is_over:
                return silence.samples / rate
        end, length = start, 2 * length
    return None


def _inspect_open(path: str | os.PathLike[str], file: BinaryIO, content: str) -> FileInspection:
    reader = AudioReader(path, file)
    info = reader.info
    samples, rate, silent, ending = 0, info.rate, _LeadingSilence(), _TrailingSilence()
    for block, rate, full_scale in _blocks(reader):  # noqa: B007 - a decoder knows the rate better than the header
        samples += len(block)
        silent.push(block, full_scale)
        ending.push(block, full_scale)
    reader.seconds = seconds = samples / rate
    reason = reader.damage
    if reason is None and seconds < SHORTEST:
        reason = f"is too short ({seconds:.2f} s)"
    elif reason is None and not silent.is_over:
        reason = "is silent"
    silence = silent.samples / rate, ending.samples / rate
    return FileInspection(content, info.format, rate, info.channels, seconds, reason, *silence)


class _LeadingSilence:
    """Counts the samples before the range of the sound reaches `SILENCE`; with reversed blocks, those at the end."""

    def __init__(self) -> None:
        self.samples, self.is_over = 0, False
        self._low, self._high = np.inf, -np.inf

    def push(self, block_N: npt.NDArray[Any], full_scale: float) -> None:
        if self.is_over or not len(block_N):
            return
        low, high = min(self._low, block_N.min() / full_scale), max(self._high, block_N.max() / full_scale)
        self.is_over = high - low >= SILENCE
        if self.is_over:
            # Most sounds begin within a few samples of a block of millions.
            size, reached_N = 8, np.zeros(1, dtype=bool)
            while not reached_N.any() and size < 8 * len(block_N):
                size *= 8
                head_N = block_N[:size]
                lows_N = np.minimum(np.minimum.accumulate(head_N) / full_scale, self._low)
                highs_N = np.maximum(np.maximum.accumulate(head_N) / full_scale, self._high)
                reached_N = highs_N - lows_N >= SILENCE
            self.samples += int(np.argmax(reached_N))
        else:
            self.samples += len(block_N)
        self._low, self._high = low, high


class _TrailingSilence:
    """Counts the samples at the end whose range does not reach `SILENCE`, block by block."""

    def __init__(self) -> None:
        self._after = 0
        self._last: tuple[npt.NDArray[Any], float] | None = None

    def push(self, block_N: npt.NDArray[Any], full_scale: float) -> None:
        if len(block_N) and _range(block_N) >= SILENCE * full_scale:
            self._last, self._after = (block_N, full_scale), 0
        else:
            self._after += len(block_N)

    @property
    def samples(self) -> int:
        if self._last is None:
            return self._after
        block_N, full_scale = self._last
        size = 1
        while _range(block_N[-size:]) < SILENCE * full_scale:
            size *= 2
        tail_N = block_N[::-1][:size]
        range_N = np.maximum.accumulate(tail_N).astype(np.float64) - np.minimum.accumulate(tail_N)
        return self._after + int(np.argmax(range_N >= SILENCE * full_scale))


def _range(block_N: npt.NDArray[Any]) -> float:
    return float(block_N.max()) - float(block_N.min())


def _blocks(reader: AudioReader) -> Iterator[tuple[npt.NDArray[Any], int, float]]:
    """Yield blocks of samples, their rate, and the value of full scale; 16-bit samples are not converted."""
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
