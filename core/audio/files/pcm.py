"""Headers of AU, WAV, RF64, Wave64, AIFF, AIFF-C and CAF: their chunks, and 16-bit samples read without a decoder.

The header is not left to a decoder for three reasons. Decoders silently shorten a length that exceeds the file, which
hides truncation. They decode nothing if a program that wrote to a pipe could not fill in the length. And plain 16-bit
samples need no decoder.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from itertools import takewhile
from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from core.audio.files.chunks import CAF, IFF, RIFF, WAVE64, Chunk, ChunkLayout, chunks
from core.audio.files.open_file import FileView, peek, size_of

PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
BLOCK_CODES = (0x02, 0x11, 0x31)
"""Microsoft and IMA ADPCM, GSM: blocks of equal size."""


class WaveFormat(NamedTuple):
    """The ``fmt`` chunk of WAV and Wave64."""

    code: int
    channels: int
    rate: int
    byte_rate: int
    frame_bytes: int
    """Bytes of one frame, or of one block of compressed samples."""
    bits: int
    block_samples: int
    """Samples per channel in a block of compressed samples; 0 if not stated."""

    @classmethod
    def parse(cls, form: bytes, order: str = "<") -> "WaveFormat | None":
        """Parse the content of the chunk; None if it is too short. An extensible format gives the code inside it."""
        if len(form) < 16:
            return None
        code, channels, rate, byte_rate, frame_bytes, bits = struct.unpack(f"{order}HHIIHH", form[:16])
        if code == EXTENSIBLE and len(form) >= 26:
            code = struct.unpack(f"{order}H", form[24:26])[0]
        block_samples = struct.unpack(f"{order}H", form[18:20])[0] if code in BLOCK_CODES and len(form) >= 20 else 0
        return cls(code, channels, rate, byte_rate, frame_bytes, bits, block_samples)


AU_BYTES = {1: 1, 2: 1, 3: 2, 4: 3, 5: 4, 6: 4, 7: 8, 27: 1}
"""AU encoding → bytes per sample: µ-law, linear of 8 to 32 bits, float, double, A-law."""
AU_PCM16 = 3
A_LAW, MU_LAW = 6, 7
AIFC_BYTES = {
    **dict.fromkeys((b"raw ", b"ulaw", b"ULAW", b"alaw", b"ALAW"), 1),
    **dict.fromkeys((b"fl32", b"FL32", b"in32", b"23ni"), 4),
    **dict.fromkeys((b"fl64", b"FL64"), 8),
    b"in24": 3,
}
"""AIFF-C compression → bytes per sample, where they do not follow from the bits per sample."""
AIFC_FRAMES = {b"ima4": (34, 64), b"GSM ": (33, 160)}
"""AIFF-C compression → bytes per packet of one channel and the samples in it."""
STREAMED_LENGTHS = (
    range(1),  # never filled in
    range(0x7F00_0000 - 0x1000, 0x7F00_0000 + 0x1000),  # sox, AIFF
    range(0x7FFF_0000, 0x8000_1000),  # sox, arecord
    range(0xFFFF_0000, 0x1_0000_0000),  # FFmpeg
    range((1 << 63) - 0x1_0000, 1 << 64),
)
"""Sizes in bytes that programs write if they stream and do not know the length."""


@dataclass(frozen=True)
class PcmHeader:
    rate: int
    channels: int
    offset: int
    """Offset in bytes at which the samples begin."""
    size: int
    """Bytes of samples in the file."""
    promised_size: int
    """Bytes of samples that the header states; equal to ``size`` if it states none."""
    byte_rate: float
    """Bytes per second; approximate for compressed samples, 0 if the header does not state it."""
    frame_bytes: int | None
    """Bytes per frame; None for compressed samples."""
    is_exact: bool = True
    """Whether the length follows from the byte rate."""
    dtype: str | None = None
    """NumPy dtype of a sample if it is a 16-bit integer."""
    patches: tuple[tuple[int, bytes], ...] = ()
    """(offset, bytes) that fill in an unknown length, for decoders that need one."""
    gaps: tuple[tuple[int, int], ...] = ()
    """(offset, bytes) of padding that is missing between chunks, for decoders that need it."""
    unread: str | None = None
    """Further sound in the file, which is not read, as a phrase."""

    def view(self, file: BinaryIO) -> BinaryIO | FileView:
        """The file as decoders can read it: with lengths and padding, and without further sound."""
        if not (self.patches or self.gaps or self.unread):
            return file
        return FileView(file, 0, self.offset + self.size if self.unread else None, self.patches, self.gaps)

    @property
    def frames(self) -> int:
        """Frames of uncompressed samples in the file."""
        return self.size // self.frame_bytes if self.frame_bytes else 0

    @property
    def promised_s(self) -> float:
        """Seconds of sound that the header states."""
        if self.frame_bytes:
            return self.promised_size // self.frame_bytes / self.rate
        return self.promised_size / self.byte_rate if self.byte_rate else 0.0

    @property
    def is_plain(self) -> bool:
        """Whether `read_pcm16` can read the samples."""
        return self.dtype is not None and self.channels == 1


def read_header(file: BinaryIO) -> PcmHeader | None:
    """Read the header of an AU, WAV, RF64, Wave64, AIFF, AIFF-C or CAF file; None for any other file."""
    head = peek(file, 24)
    if len(head) < 24:
        return None
    if head[:4] == b".snd":
        return _au(file, head)
    if head[:4] in (b"RIFF", b"RF64", b"BW64") and head[8:12] == b"WAVE":
        return _wave(file, 12, RIFF, "<")
    if head[:4] == b"RIFX" and head[8:12] == b"WAVE":
        return _wave(file, 12, IFF, ">")
    if head[:4] == b"riff":
        return _wave(file, 40, WAVE64, "<")
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return _aiff(file)
    return _caf(file) if head[:4] == b"caff" else None


def _au(file: BinaryIO, head: bytes) -> PcmHeader | None:
    offset, size, encoding, rate, channels = struct.unpack(">5I", head[4:24])
    width = AU_BYTES.get(encoding, 0) * channels
    if not (rate and width and offset >= 24):
        return None
    dtype = ">i2" if encoding == AU_PCM16 else None
    header = _header(file, rate, channels, offset, size, rate * width, width, dtype, ((8, ">I", 0),))
    return _appended(header) if peek(file, 4, offset + size) == b".snd" else header


def _wave(file: BinaryIO, start: int, layout: ChunkLayout, order: str) -> PcmHeader | None:
    form: WaveFormat | None = None
    long_field = 0
    found = list(chunks(partial(peek, file), start, layout))
    for index, chunk in enumerate(found):
        if chunk.name == b"ds64":
            long_field = chunk.offset + 8
        elif chunk.name == b"fmt ":
            form = WaveFormat.parse(peek(file, min(chunk.size, 40), chunk.offset), order)
        elif chunk.name == b"data" and form is not None:
            if not (form.rate and form.channels):
                return None
            size = chunk.size
            fields = [(chunk.size_offset, layout.size_format, 24 if layout is WAVE64 else 0)]
            if layout is WAVE64:
                fields.append((16, "<Q", chunk.offset))  # of the whole file
            if long_field:
                fields.append((long_field, "<Q", 0))
            plain = form.code in (PCM, FLOAT, A_LAW, MU_LAW) and form.frame_bytes > 0
            dtype = f"{order}i2" if (form.code, form.bits, form.frame_bytes) == (PCM, 16, 2 * form.channels) else None
            width = form.frame_bytes if plain else None
            byte_rate: float = form.rate * width if width else form.byte_rate
            if form.block_samples:
                byte_rate = form.rate * form.frame_bytes / form.block_samples
            if size == 0 and _is_chunk_chain(file, found[index + 1 :]):
                if any(other.name == b"data" and other.size for other in found[index + 1 :]):
                    continue
                return PcmHeader(form.rate, form.channels, chunk.offset, 0, 0, byte_rate, width)
            header = _header(file, form.rate, form.channels, chunk.offset, size, byte_rate, width, dtype, fields)
            header = replace(header, is_exact=bool(width or form.block_samples))
            return _in_chunks(header, chunk, found, chunk)
    return None


def _is_chunk_chain(file: BinaryIO, rest: Iterable[Chunk]) -> bool:
    """Whether named chunks follow up to the end of the file; the data chunk is then empty on purpose."""
    end = -1
    for chunk in rest:
        if not chunk.is_named:
            return False
        end = chunk.offset + chunk.size
    return size_of(file) in (end, end + 1)


def _aiff(file: BinaryIO) -> PcmHeader | None:
    common: Chunk | None = None
    sound: Chunk | None = None
    found = list(chunks(partial(peek, file), 12, IFF))
    for chunk in found:
        if chunk.name == b"COMM":
            common = common or chunk
        elif chunk.name == b"SSND":
            sound = sound or chunk
    if not (common and sound):
        return None
    header = _aiff_header(file, common, sound)
    return header and _in_chunks(header, sound, found, max(common, sound, key=found.index))


def _aiff_header(file: BinaryIO, common: Chunk, sound: Chunk) -> PcmHeader | None:
    form = peek(file, min(common.size, 22), common.offset)
    skipped = peek(file, 4, sound.offset)
    if len(form) < 18 or len(skipped) < 4:
        return None
    channels, frames, bits, exponent, mantissa = struct.unpack(">HIHHQ", form[:18])
    shift = 16446 - exponent  # the rate is an 80-bit float
    rate = mantissa >> shift if 0 <= shift < 64 else 0
    offset = sound.offset + 8 + struct.unpack(">I", skipped)[0]
    if not (rate and channels):
        return None
    kind = form[18:22] or b"NONE"
    fields = [(sound.size_offset, ">I", 8), (4, ">I", offset - 8)]
    size = max(0, sound.size - 8)
    if kind not in AIFC_BYTES and kind not in (b"NONE", b"twos", b"sowt"):
        packet = AIFC_FRAMES.get(kind)
        if packet is None:
            return None
        byte_rate = packet[0] / packet[1] * rate * channels
        header = _header(file, rate, channels, offset, size, byte_rate, None, None, fields)
        return _patch_frames(header, common, header.size // (packet[0] * channels))
    width = channels * AIFC_BYTES.get(kind, (bits + 7) // 8)
    if not width:
        return None
    dtype = {b"NONE": ">i2", b"twos": ">i2", b"sowt": "<i2"}.get(kind) if bits == 16 else None
    end = sound.offset + sound.size
    if frames and not _streamed(frames * width) and not _streamed(size):
        size = frames * width
    header = _header(file, rate, channels, offset, size, rate * width, width, dtype, fields)
    if not header.patches:
        header = replace(header, size=min(header.size, max(0, end - offset)))
    return _patch_frames(header, common, header.frames)


def _patch_frames(header: PcmHeader, common: Chunk, frames: int) -> PcmHeader:
    """AIFF has the number of frames as a second length."""
    if not header.patches:
        return header
    return replace(header, patches=(*header.patches, (common.offset + 2, struct.pack(">I", frames))))


def _caf(file: BinaryIO) -> PcmHeader | None:
    described: tuple[float, bytes, int, int, int, int, int] | None = None
    found = list(chunks(partial(peek, file), 8, CAF))
    for chunk in found:
        if chunk.name == b"desc":
            form = peek(file, 32, chunk.offset)
            if len(form) < 32:
                return None
            described = struct.unpack(">d4sIIIII", form)
        elif chunk.name == b"data" and described is not None:
            rate, kind, flags, packet_bytes, packet_frames, channels, bits = described
            if not (1 <= rate < 1 << 31 and packet_bytes and packet_frames and channels):
                return None  # packets of variable size, which FFmpeg counts from their table
            plain = kind in (b"lpcm", b"ulaw", b"alaw") and packet_frames == 1
            little, is_float = bool(flags & 2), bool(flags & 1)
            is_16 = kind == b"lpcm" and not is_float and (bits, packet_bytes) == (16, 2 * channels)
            dtype = ("<i2" if little else ">i2") if is_16 else None
            size = chunk.size if chunk.size < 4 or _streamed(chunk.size) else chunk.size - 4
            byte_rate = rate * packet_bytes / packet_frames
            width = packet_bytes if plain else None
            fields = [(chunk.size_offset, ">Q", 4)]
            header = _header(file, int(rate), channels, chunk.offset + 4, size, byte_rate, width, dtype, fields)
            return _in_chunks(header, chunk, found, chunk)
    return None


def _in_chunks(header: PcmHeader, sound: Chunk, found: list[Chunk], last: Chunk) -> PcmHeader:
    """Add what is missing between the chunks up to ``last``, and whether more sound follows the chunk ``sound``."""
    before = found[: found.index(last)]
    header = replace(header, gaps=tuple((chunk.offset + chunk.size, chunk.gap) for chunk in before if chunk.gap))
    if header.patches:  # what follows is sound, whatever it looks like
        return header
    for chunk in takewhile(lambda chunk: chunk.is_named, found[found.index(sound) + 1 :]):
        if chunk.name == sound.name and chunk.size:
            return _appended(header, "a second chunk of sound")
        if chunk.name in (b"RIFF", b"RIFX", b"RF64", b"BW64", b"riff", b"FORM", b"caff"):
            return _appended(header)
    return header


def _appended(header: PcmHeader, what: str = "another file appended to it") -> PcmHeader:
    seconds = header.size / header.byte_rate if header.byte_rate else 0.0
    return replace(header, unread=f"has more sound after the first {seconds:.1f} s, in {what}, which is not read")


def _streamed(size: int) -> bool:
    return any(size in lengths for lengths in STREAMED_LENGTHS)


def _header(
    file: BinaryIO,
    rate: int,
    channels: int,
    offset: int,
    size: int,
    byte_rate: float,
    frame_bytes: int | None,
    dtype: str | None,
    fields: Iterable[tuple[int, str, int]],
) -> PcmHeader:
    """Make a header whose length is checked against the file.

    ``fields`` hold the length: offset, struct format, and what is added to the number of bytes of samples.
    """
    present = max(0, size_of(file) - offset)
    if (size > present and _streamed(size)) or size == 0:
        whole = present - present % frame_bytes if frame_bytes else present
        patches = tuple(
            (field, struct.pack(form, min(whole + extra, (1 << 8 * struct.calcsize(form)) - 1)))
            for field, form, extra in fields
        )
        return PcmHeader(rate, channels, offset, whole, whole, byte_rate, frame_bytes, True, dtype, patches)
    return PcmHeader(rate, channels, offset, min(size, present), size, byte_rate, frame_bytes, True, dtype)


def read_pcm16(file: BinaryIO, header: PcmHeader, start: int = 0, count: int | None = None) -> npt.NDArray[np.int16]:
    """Read samples of a mono 16-bit file, (samples,), in native byte order.

    ``start`` and ``count`` are in samples; samples past the end are not returned.
    """
    assert header.is_plain
    left = max(0, header.frames - start)
    count = left if count is None else min(count, left)
    file.seek(0)
    raw = np.fromfile(file, dtype=header.dtype, count=count, offset=header.offset + 2 * start)
    return raw.astype(np.int16, copy=False)
