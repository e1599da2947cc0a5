"""The pages of an Ogg file: the streams chained in it, how long they last, and which pages are missing.

Decoders skip missing pages and decode only the first of several chained streams, without reporting it. Pages are
described in RFC 3533.
"""

import struct
import zlib
from dataclasses import dataclass, field
from typing import BinaryIO

from core.audio.files.open_file import peek, size_of

PAGE_HEADER = 27
FIRST_PAGE, LAST_PAGE = 2, 4
SEARCHED = 1 << 16
LONGEST_JUNK = 64 << 20
"""Bytes without a page after which the search ends."""
LATE_START = 5.0
"""A stream whose first page of sound ends later than this was recorded from a running broadcast."""
OPUS_RATE = 48_000
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclass
class _Stream:
    codec: str
    rate: int
    skip: int
    """Samples at the beginning that the decoder drops."""
    sequence: int
    first: int | None = None
    last: int = 0
    """Sample positions at the end of its first and of its last page of sound."""
    ended: bool = False


@dataclass
class OggLink:
    """One link of a chained file: a stream and those multiplexed with it."""

    begin: int
    end: int
    """Its bytes in the file are those from ``begin`` up to ``end``."""
    streams: dict[int, _Stream] = field(default_factory=dict)

    @property
    def sound(self) -> _Stream | None:
        """Its first audio stream."""
        return next((stream for stream in self.streams.values() if stream.rate), None)

    @property
    def codec(self) -> str:
        return self.sound.codec if self.sound else ""

    @property
    def seconds(self) -> float:
        """Its length according to its pages."""
        stream = self.sound
        if stream is None or stream.first is None:
            return 0.0
        begin = stream.first if stream.first > LATE_START * stream.rate else stream.skip
        return max(0, stream.last - begin) / stream.rate


@dataclass
class OggPages:
    links: list[OggLink] = field(default_factory=list)
    missing: int = 0
    """Pages that are missing according to the sequence numbers."""
    unreadable: int = 0
    """Pages whose checksum is wrong."""
    cut: bool = False
    """Whether the file ends within a page."""

    @property
    def seconds(self) -> float:
        return sum(link.seconds for link in self.links)

    @property
    def is_intact(self) -> bool:
        return self.defect is None

    @property
    def defect(self) -> str | None:
        """What is missing, as a phrase; None if nothing is."""
        if lost := max(self.missing, self.unreadable):
            return f"is damaged: {lost} of its pages {'is' if lost == 1 else 'are'} missing or unreadable"
        if self.cut:
            return "is cut off: its last page is incomplete"
        if self.links and not any(stream.ended for stream in self.links[-1].streams.values()):
            return "is cut off: the page that ends it is missing"
        return None


def read_pages(file: BinaryIO) -> OggPages:
    """Read the whole file and check each page."""
    pages = OggPages()
    size = size_of(file)
    position = 0
    while position < size:
        head = peek(file, PAGE_HEADER + 255, position)
        length = _page_length(head)
        if length is not None and position + length > size:
            pages.cut = True
            break
        if length is None or not _crc_fits(page := peek(file, length, position)):
            pages.unreadable += length is not None
            following = _find_page(file, position + 1)
            if following is None:
                break
            position = following
            continue
        _take(pages, page, position)
        position += length
    return pages


def _page_length(head: bytes) -> int | None:
    if len(head) < PAGE_HEADER or head[:4] != b"OggS":
        return None
    segments = head[26]
    if len(head) < PAGE_HEADER + segments:
        return None
    return PAGE_HEADER + segments + sum(head[PAGE_HEADER : PAGE_HEADER + segments])


def _find_page(file: BinaryIO, begin: int) -> int | None:
    for position in range(begin, begin + LONGEST_JUNK, SEARCHED):
        part = peek(file, SEARCHED + 3, position)
        found = part.find(b"OggS")
        if found >= 0:
            return position + found
        if len(part) < SEARCHED:
            break
    return None


def _crc_fits(page: bytes) -> bool:
    """Whether the checksum is right. Ogg's CRC is most significant bit first and starts at 0; zlib's is the reverse."""
    mirrored = (page[:22] + bytes(4) + page[26:]).translate(_REVERSED)
    ours = zlib.crc32(mirrored, 0xFFFF_FFFF) ^ 0xFFFF_FFFF
    return ours == int.from_bytes(page[22:26].translate(_REVERSED), "big")


def _take(pages: OggPages, page: bytes, position: int) -> None:
    flags, granule, serial, sequence = struct.unpack("<BqII", page[5:22])
    length = len(page)
    if flags & FIRST_PAGE:
        # Multiplexed streams begin together: a first page after other pages is the next link of a chain.
        if not pages.links or any(stream.first is not None for stream in pages.links[-1].streams.values()):
            pages.links.append(OggLink(position, position))
        codec, rate, skip = _codec(page[PAGE_HEADER + page[26] :])
        pages.links[-1].streams[serial] = _Stream(codec, rate, skip, sequence)
    elif pages.links and serial in (streams := pages.links[-1].streams):
        stream = streams[serial]
        if sequence != stream.sequence + 1:  # a lower one means that the page itself is damaged
            pages.missing += max(1, sequence - stream.sequence - 1)
        stream.sequence = sequence
        if granule > 0:
            stream.first = granule if stream.first is None else stream.first
            stream.last = granule
    else:
        pages.missing += 1  # at least its first page
        return
    pages.links[-1].streams[serial].ended |= bool(flags & LAST_PAGE)
    pages.links[-1].end = position + length


def _codec(packet: bytes) -> tuple[str, int, int]:
    """Codec, rate and samples to skip of the stream that begins with a packet; rate 0 if it is not audio."""
    if packet[:7] == b"\x01vorbis" and len(packet) >= 16:
        return "vorbis", int.from_bytes(packet[12:16], "little"), 0
    if packet[:8] == b"OpusHead" and len(packet) >= 12:
        return "opus", OPUS_RATE, int.from_bytes(packet[10:12], "little")
    if packet[:5] == b"\x7fFLAC" and len(packet) >= 30:
        return "flac", int.from_bytes(packet[27:30], "big") >> 4, 0
    if packet[:8] == b"Speex   " and len(packet) >= 40:
        return "speex", int.from_bytes(packet[36:40], "little"), 0
    return "", 0, 0
