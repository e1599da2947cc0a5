"""The headers of Sun AU, WAV and AIFF, and 16-bit samples straight from behind them.

The header is read here, and not by libsndfile, for two reasons: libsndfile silently shortens a length that the file
does not keep, which hides that a file was cut off; and plain 16-bit samples need no decoder at all.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from core.audio.files.open_file import peek, size_of

UNKNOWN_LENGTH = 0xFFFFFFFF
AU_BYTES = {1: 1, 2: 1, 3: 2, 4: 3, 5: 4, 6: 4, 7: 8, 27: 1}
"""AU encoding → bytes in a sample: µ-law, linear of 8 to 32 bits, float, double, A-law."""
AU_PCM16, WAV_PCM, WAV_EXTENSIBLE = 3, 1, 0xFFFE
WAV_UNCOMPRESSED = (WAV_PCM, 3, 6, 7)
"""Integers, floats, A-law, µ-law."""
MOST_CHUNKS = 1000
"""Chunks that are looked at: a file of zeros is a chain of empty ones."""


@dataclass(frozen=True)
class PcmHeader:
    rate: int
    channels: int
    offset: int
    """Byte at which the samples begin."""
    frames: int
    """Frames that are in the file."""
    promised: int
    """Frames that the header says are in the file; equal to ``frames`` where it does not say."""
    dtype: str | None
    """numpy's type of a sample where that is a 16-bit integer."""

    @property
    def is_plain(self) -> bool:
        """Whether ``read_pcm16`` can read the samples."""
        return self.dtype is not None and self.channels == 1


def read_header(file: BinaryIO) -> PcmHeader | None:
    """The header of an AU, WAV or AIFF file of uncompressed samples; None for every other file."""
    head = peek(file, 24)
    if len(head) == 24 and head[:4] == b".snd":
        return _au(file, head)
    if len(head) == 24 and head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return _wav(file)
    if len(head) == 24 and head[:4] == b"FORM" and head[8:12] == b"AIFF":
        return _aiff(file)
    return None


def _au(file: BinaryIO, head: bytes) -> PcmHeader | None:
    offset, size, encoding, rate, channels = struct.unpack(">5I", head[4:24])
    width = AU_BYTES.get(encoding, 0) * channels
    dtype = ">i2" if encoding == AU_PCM16 else None
    return _header(file, offset, size, width, rate, channels, dtype) if offset >= 24 else None


def _wav(file: BinaryIO) -> PcmHeader | None:
    form = b""
    for name, position, size in _chunks(file, "<I"):
        if name == b"fmt ":
            form = peek(file, min(size, 40), position)
        elif name == b"data" and len(form) >= 16:
            code, channels, rate, _, width, bits = struct.unpack("<HHIIHH", form[:16])
            if code == WAV_EXTENSIBLE and len(form) >= 26:
                code = struct.unpack("<H", form[24:26])[0]
            if code not in WAV_UNCOMPRESSED:
                return None
            dtype = "<i2" if code == WAV_PCM and bits == 16 and width == 2 * channels else None
            # A writer that could not seek back leaves a length of nothing or of everything.
            return _header(file, position, size or UNKNOWN_LENGTH, width, rate, channels, dtype)
    return None


def _aiff(file: BinaryIO) -> PcmHeader | None:
    form = b""
    for name, position, size in _chunks(file, ">I"):
        if name == b"COMM":
            form = peek(file, min(size, 18), position)
        elif name == b"SSND" and len(form) == 18:
            channels, frames, bits, exponent, mantissa = struct.unpack(">HIHHQ", form)
            shift = 16446 - exponent  # the rate is a float of 80 bits
            if not 0 <= shift < 64 or any(peek(file, 4, position)):  # samples that begin later than they could
                return None
            width = channels * ((bits + 7) // 8)
            dtype = ">i2" if bits == 16 else None
            return _header(file, position + 8, frames * width, width, mantissa >> shift, channels, dtype)
    return None


def _chunks(file: BinaryIO, length: str) -> Iterator[tuple[bytes, int, int]]:
    """Name, place and size of the content of each chunk of a RIFF or IFF file."""
    position = 12
    for _ in range(MOST_CHUNKS):
        head = peek(file, 8, position)
        if len(head) < 8:
            return
        size = struct.unpack(length, head[4:])[0]
        yield head[:4], position + 8, size
        position += 8 + size + size % 2


def _header(
    file: BinaryIO, offset: int, size: int, width: int, rate: int, channels: int, dtype: str | None
) -> PcmHeader | None:
    if not (width and rate and channels):
        return None
    frames = max(0, size_of(file) - offset) // width
    # Lengths at the very top of the range are written by programs that stream.
    promised = frames if size >= UNKNOWN_LENGTH - 0xFFFF else size // width
    return PcmHeader(rate, channels, offset, min(frames, promised), promised, dtype)


def read_pcm16(file: BinaryIO, header: PcmHeader, start: int = 0, count: int | None = None) -> npt.NDArray[np.int16]:
    """Samples of a mono 16-bit file, (samples,), in the machine's byte order.

    ``start`` and ``count`` are in samples; what lies past the end is not returned.
    """
    assert header.is_plain
    left = max(0, header.frames - start)
    count = left if count is None else min(count, left)
    file.seek(0)
    raw = np.fromfile(file, dtype=header.dtype, count=count, offset=header.offset + 2 * start)
    return raw.astype(np.int16, copy=False)
