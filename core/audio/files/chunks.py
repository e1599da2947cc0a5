"""Chunks of RIFF, AIFF, Wave64 and CAF files, read from a file or from what has arrived of a stream."""

import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

Read = Callable[[int, int], bytes]
"""Takes a number of bytes and an offset; returns the bytes, or fewer at the end."""
MOST_CHUNKS = 1000
"""Chunks that are read: a file of zeros would be an endless chain of empty ones."""


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
    gap: int
    """Bytes of padding that are missing after the content."""

    @property
    def is_named(self) -> bool:
        """Whether the name is printable. Samples that are read as a chunk by mistake rarely have such a name."""
        return _is_name(self.name)


KNOWN_CHUNKS = (b"fmt ", b"data", b"fact", b"LIST", b"COMM", b"SSND")
"""Names that follow padding even if it is not zero."""


def chunks(read: Read, start: int, layout: ChunkLayout) -> Iterator[Chunk]:
    """The chunks from byte ``start`` on, as far as their headers can be read.

    Some programs write no padding after a chunk of odd length. Padding bytes are zero, and the bytes of a name are not.
    """
    width = struct.calcsize(layout.size_format)
    header = layout.name_bytes + width
    position, long_size = start, 0
    for _ in range(MOST_CHUNKS):
        head = read(header, position)
        if len(head) < header:
            return
        size = struct.unpack(layout.size_format, head[layout.name_bytes :])[0]
        if layout.size_counts_header:
            size = max(0, size - header)
        content, gap = position + header, 0
        if head == b"data\xff\xff\xff\xff":
            size = long_size or size
        elif head[:4] == b"ds64":  # the sizes of an RF64 file
            long_size = struct.unpack("<Q", read(8, content + 8).ljust(8, b"\0"))[0]
        padding = -size % layout.alignment
        if padding:
            following = read(padding + 4, content + size)
            if _is_name(following[:4]) and following[padding:] not in KNOWN_CHUNKS:
                padding, gap = 0, padding
        yield Chunk(head[:4], content, size, position + layout.name_bytes, gap)
        position = content + size + padding


def held(data: bytes) -> Read:
    """Read from bytes, for `chunks`."""
    return lambda count, offset: data[offset : offset + count]


def _is_name(name: bytes) -> bool:
    return len(name) == 4 and all(32 <= byte < 127 for byte in name)
