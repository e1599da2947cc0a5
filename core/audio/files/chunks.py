"""Chunks of RIFF, IFF, Wave64 and CAF files, from a file or from bytes that have arrived so far."""

import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

Read = Callable[[int, int], bytes]
"""Returns up to so many bytes at an offset."""
MOST_CHUNKS = 1000
"""Chunks that are read: a file of zeros would be an endless chain of empty ones."""
PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
BLOCK_CODES = (0x02, 0x11, 0x31)
"""Microsoft and IMA ADPCM, GSM: blocks of equal size."""


class ChunkLayout(NamedTuple):
    name_bytes: int
    size_format: str
    size_counts_header: bool = False
    alignment: int = 1


RIFF = ChunkLayout(4, "<I", alignment=2)
IFF = ChunkLayout(4, ">I", alignment=2)
CAF = ChunkLayout(4, ">Q")
WAVE64 = ChunkLayout(16, "<Q", size_counts_header=True, alignment=8)


class Chunk(NamedTuple):
    name: bytes
    """The first four bytes of its name; longer names differ in these."""
    offset: int
    """Offset of the content in bytes."""
    size: int
    """Bytes of the content as stated in the header; not checked against the file."""
    size_offset: int
    """Offset of the size field in bytes."""


def chunks(read: Read, start: int, layout: ChunkLayout) -> Iterator[Chunk]:
    """The chunks from byte ``start`` on, as far as their headers can be read."""
    width = struct.calcsize(layout.size_format)
    header = layout.name_bytes + width
    position = start
    for _ in range(MOST_CHUNKS):
        head = read(header, position)
        if len(head) < header:
            return
        size = struct.unpack(layout.size_format, head[layout.name_bytes :])[0]
        if layout.size_counts_header:
            size = max(0, size - header)
        yield Chunk(head[:4], position + header, size, position + layout.name_bytes)
        position += header + size + -size % layout.alignment


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
