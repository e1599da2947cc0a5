"""Editing the genre in ID3v2 and APEv2 tags without changing other frames or items.

An ID3v2 tag keeps its version (2.2, 2.3 or 2.4). Frames are not interpreted, so that unknown ones and those that a
library would convert are preserved. See https://id3.org/Developer%20Information for the three layouts and
https://wiki.hydrogenaud.io/index.php?title=APEv2_specification for that of APEv2.
"""

import io
import re
import struct
import zlib
from collections.abc import Callable
from typing import BinaryIO, NamedTuple

from mutagen.id3 import ID3

HEADER_BYTES = 10
PADDING_BYTES = 1024
"""Padding that is added when a tag has to grow, so that the next change fits."""
UNSYNCHRONISED, EXTENDED, FOOTER = 0x80, 0x40, 0x10
_GENRE = {2: b"TCO", 3: b"TCON", 4: b"TCON"}
_CHECKSUM = 0x8000
LATIN_1, UTF_16, UTF_8 = 0, 1, 3


class TagError(Exception):
    """A tag cannot be changed safely; the message says why."""


def tag_size(head: bytes) -> int:
    """Size in bytes of the ID3v2 tag that ``head`` (10 bytes or more) begins with; 0 if there is none."""
    if len(head) < HEADER_BYTES or head[:3] != b"ID3" or max(head[6:10]) > 127:
        return 0
    footer = HEADER_BYTES if head[3] == 4 and head[5] & FOOTER else 0
    return HEADER_BYTES + _synchsafe(head[6:10]) + footer


def new_tag(genres: list[str], earlier: ID3 | None = None) -> bytes:
    """An ID3v2.4 tag with the genres and the fields of an earlier ID3v1 tag."""
    tags, data = earlier if earlier is not None else ID3(), io.BytesIO()  # type: ignore[no-untyped-call]
    tags.delall("TCON")  # type: ignore[no-untyped-call]
    tags.save(data, v1=0, v2_version=4, padding=lambda _: PADDING_BYTES)
    return with_genres(data.getvalue(), genres)


def with_genres(tag: bytes, genres: list[str]) -> bytes:
    """Replace the genres of a tag (an empty list removes them), keeping its size if the padding suffices.

    Args:
        tag: a whole tag, from its header to the end of its padding or footer.

    Raises:
        TagError: the tag is damaged or cannot be changed safely.
    """
    version, flags = tag[3], tag[5]
    if version not in _GENRE:
        raise TagError(f"ID3v2.{version} is not known")
    has_footer = version == 4 and bool(flags & FOOTER)
    body = tag[HEADER_BYTES : len(tag) - HEADER_BYTES if has_footer else len(tag)]
    unsynchronised = version < 4 and bool(flags & UNSYNCHRONISED)
    if unsynchronised:
        body = body.replace(b"\xff\x00", b"\xff")
    if version == 2 and flags & EXTENDED:
        raise TagError("its ID3v2.2 tag is compressed")
    extended = _extended_header(body, version) if flags & EXTENDED else b""
    frames = _frames(body[len(extended) :], version)
    content = b"".join(_exchanged(frames, version, genres))
    room = len(body) - len(extended) - len(content)
    if has_footer:
        room = 0  # the standard allows no padding before a footer
    elif room < 0:
        room = PADDING_BYTES
    new_body = _extended_for(extended, version, content, room) + content + bytes(room)
    if unsynchronised:
        new_body = _unsynchronise(new_body)
    header = tag[:6] + _to_synchsafe(len(new_body))
    return header + new_body + (b"3DI" + header[3:] if has_footer else b"")


class _Frame(NamedTuple):
    name: bytes
    data: bytes
    """The bytes of the frame, including its header."""


def _exchanged(frames: list[_Frame], version: int, genres: list[str]) -> list[bytes]:
    """The frames' bytes, with the new genre in the position of the first old one."""
    name = _GENRE[version]
    new = _genre_frame(version, genres) if genres else b""
    at = next((number for number, frame in enumerate(frames) if frame.name == name), len(frames))
    before = [frame.data for frame in frames[:at]]
    return [*before, new, *[frame.data for frame in frames[at:] if frame.name != name]]


def _genre_frame(version: int, genres: list[str]) -> bytes:
    """A genre frame. Several values are separated by NUL, as defined in 2.4 and used by programs in 2.2 and 2.3.

    In 2.2 and 2.3 a value that begins with a parenthesis would be a reference; a real one is doubled, a number such
    as ``(17)`` stays one.
    """
    if version < 4:
        genres = [f"({genre}" if genre.startswith("(") and not _REFERENCES.match(genre) else genre for genre in genres]
    text = "\0".join(genres)
    try:
        content = bytes([LATIN_1]) + text.encode("latin-1")
    except UnicodeEncodeError:
        content = bytes([UTF_8]) + text.encode() if version == 4 else bytes([UTF_16]) + text.encode("utf-16")
    if version == 2:
        return b"TCO" + struct.pack(">I", len(content))[1:] + content
    size = _to_synchsafe(len(content)) if version == 4 else struct.pack(">I", len(content))
    return b"TCON" + size + b"\0\0" + content


_REFERENCES = re.compile(r"(\((\d{1,3}|RX|CR)\))+")


def _frames(data: bytes, version: int) -> list[_Frame]:
    """All frames up to the padding.

    Raises:
        TagError: their sizes are inconsistent.
    """
    if version == 2:
        found = _walk(data, 6, lambda head: int.from_bytes(head[3:6], "big"), 3)
    elif version == 3:
        found = _walk(data, 10, lambda head: int.from_bytes(head[4:8], "big"), 4)
    else:
        found = _walk(data, 10, lambda head: _synchsafe(head[4:8]), 4)
        if found is None:  # old versions of iTunes wrote ordinary numbers
            found = _walk(data, 10, lambda head: int.from_bytes(head[4:8], "big"), 4)
    if found is None:
        raise TagError("its ID3 tag is damaged")
    return found


def _walk(data: bytes, head: int, size_of: Callable[[bytes], int], name_bytes: int) -> list[_Frame] | None:
    found, at = [], 0
    while at + head <= len(data) and data[at : at + name_bytes].strip(b"\0"):
        name = data[at : at + name_bytes]
        end = at + head + size_of(data[at : at + head])
        if end > len(data) or not re.fullmatch(rb"[A-Z][A-Z0-9]+[ \0]?", name):
            return None
        found.append(_Frame(name, data[at:end]))
        at = end
    return None if data[at:].strip(b"\0") else found


def _extended_header(body: bytes, version: int) -> bytes:
    """The extended header; empty if the flag is set but a frame follows, as some programs write it."""
    if re.match(rb"[A-Z][A-Z0-9]{3}", body):
        return b""
    start = body[:4].ljust(4, b"\0")
    size = 4 + int.from_bytes(start, "big") if version == 3 else _synchsafe(start)
    if not 6 <= size <= len(body):
        raise TagError("its ID3 tag is damaged")
    return body[:size]


def _extended_for(extended: bytes, version: int, content: bytes, room: int) -> bytes:
    """Update padding and checksum of the extended header for other frames."""
    if version == 3 and len(extended) >= 10:
        flags = int.from_bytes(extended[4:6], "big")
        checksum = struct.pack(">I", zlib.crc32(content)) if flags & _CHECKSUM and len(extended) >= 14 else b""
        return extended[:6] + struct.pack(">I", room) + checksum + extended[10 + len(checksum) :]
    if version == 4 and extended and extended[5] & 0x20:
        raise TagError("its ID3v2.4 tag has a checksum, which this program cannot update")
    return extended


def _unsynchronise(data: bytes) -> bytes:
    """Insert a zero after each 0xFF that could be mistaken for an MPEG frame or for an inserted zero."""
    data = re.sub(rb"\xff(?=[\xe0-\xff\x00])", b"\xff\x00", data)
    return data + b"\0" if data.endswith(b"\xff") else data


def _synchsafe(data: bytes) -> int:
    """Decode seven bits per byte. With a high bit set the size is invalid and leads out of the tag."""
    return sum(byte << shift for byte, shift in zip(data, (21, 14, 7, 0), strict=True))


def _to_synchsafe(number: int) -> bytes:
    if number >= 1 << 28:
        raise TagError("its ID3 tag is too large")
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))


_BLOCK = 32
"""Bytes of the header and of the footer."""
_HAS_HEADER, _IS_HEADER = 1 << 31, 1 << 29
_KIND = 0b110
"""Flags of an item for its kind: text (0), binary or link."""
ID3V1_BYTES = 128


class ApeTag(NamedTuple):
    at: int
    """Offset in the file."""
    data: bytes
    """The whole tag, with footer and optional header."""

    @property
    def genres(self) -> list[str]:
        """The values of the genre item; empty without one.

        Raises:
            TagError: the tag is damaged.
        """
        return [
            value
            for item in _items(self)
            if item.is_genre
            for value in item.value.decode(errors="replace").split("\0")
            if value
        ]

    def with_genres(self, genres: list[str]) -> bytes:
        """The bytes of the tag with other genres; an empty list removes the item.

        Raises:
            TagError: the tag is damaged.
        """
        items = _items(self)
        key = next((item.key for item in items if item.is_genre), b"Genre")
        value = "\0".join(genres).encode()
        new = struct.pack("<II", len(value), 0) + key + b"\0" + value if genres else b""
        at = next((number for number, item in enumerate(items) if item.is_genre), len(items))
        parts = [item.data for item in items[:at]] + [new] + [item.data for item in items[at:] if not item.is_genre]
        body = b"".join(parts)
        count = sum(not item.is_genre for item in items) + bool(genres)
        sizes = struct.pack("<II", len(body) + _BLOCK, count)
        footer = self.data[-_BLOCK:]
        has_header = len(self.data) > _BLOCK and self.data[:8] == b"APETAGEX"
        header = self.data[:12] + sizes + self.data[20:_BLOCK] if has_header else b""
        return header + body + footer[:12] + sizes + footer[20:]


def empty_ape_tag(at: int) -> ApeTag:
    """A tag without items, for a file that has no tag."""
    head, ends = b"APETAGEX" + struct.pack("<III", 2000, _BLOCK, 0), (_HAS_HEADER | _IS_HEADER, _HAS_HEADER)
    return ApeTag(at, b"".join(head + struct.pack("<I", flags) + bytes(8) for flags in ends))


class _Item(NamedTuple):
    key: bytes
    value: bytes
    data: bytes
    is_genre: bool


def find_ape_tag(file: BinaryIO) -> ApeTag | None:
    """The APEv2 tag at the end of a file, or before an ID3v1 tag there."""
    length = file.seek(0, 2)
    for end in (length, length - ID3V1_BYTES):
        if end < _BLOCK:
            continue
        file.seek(end - _BLOCK)
        footer = file.read(_BLOCK)
        if footer[:8] != b"APETAGEX":
            continue
        size, _, flags = struct.unpack("<III", footer[12:24])
        size += _BLOCK if flags & _HAS_HEADER else 0
        if _BLOCK <= size <= end:
            file.seek(end - size)
            return ApeTag(end - size, file.read(size))
    return None


def _items(tag: ApeTag) -> list[_Item]:
    data = tag.data[_BLOCK if tag.data[:8] == b"APETAGEX" and len(tag.data) > _BLOCK else 0 : -_BLOCK]
    found, at = [], 0
    while at < len(data):
        if len(data) - at < 10:
            raise TagError("its APE tag is damaged")
        size, flags = struct.unpack_from("<II", data, at)
        zero = data.find(b"\0", at + 8)
        end = zero + 1 + size
        if zero < 0 or end > len(data):
            raise TagError("its APE tag is damaged")
        key = data[at + 8 : zero]
        is_genre = key.lower() == b"genre" and not flags & _KIND
        found.append(_Item(key, data[zero + 1 : end], data[at:end], is_genre))
        at = end
    return found
