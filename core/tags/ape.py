"""The genre item of an APEv2 tag, changed without touching the others.

See https://wiki.hydrogenaud.io/index.php?title=APEv2_specification for the layout.
"""

import struct
from typing import BinaryIO, NamedTuple

from core.tags.id3 import TagError

_BLOCK = 32
"""Bytes of the header and of the footer."""
_HAS_HEADER, _IS_HEADER = 1 << 31, 1 << 29
_KIND = 0b110
"""Flags of an item that say whether it is text (0), binary or a link."""
ID3V1_BYTES = 128


class ApeTag(NamedTuple):
    at: int
    """Where it begins in the file."""
    data: bytes
    """All of it, with its header, if it has one, and footer."""

    @property
    def genres(self) -> list[str]:
        """
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
        """
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
    """A tag without items, for a file that has none."""
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
