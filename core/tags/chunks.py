"""The ID3 tag in a chunk of a WAV (RIFF) or AIFF (FORM) file."""

import struct
from typing import BinaryIO, NamedTuple

from core.tags.id3 import TagError

_ID3_NAMES = (b"ID3 ", b"id3 ")
_CHUNK_HEAD = 8


class Splice(NamedTuple):
    """A part of a file that is to be replaced."""

    at: int
    length: int
    data: bytes


class Id3Chunk(NamedTuple):
    """Where a file has its ID3 chunk, or would get one."""

    order: str
    """Byte order of sizes, as `struct` has it."""
    form_size: int
    name: bytes
    at: int
    """Of the chunk's head; the end of the file's last chunk if there is no ID3 chunk yet."""
    stored: int
    """Bytes in the file, with head and pad byte; 0 if there is no ID3 chunk yet."""
    lead: bytes
    """The pad byte that the chunk before lacks."""
    tag: bytes

    def splices(self, tag: bytes) -> list[Splice]:
        """What gives the file another tag.

        Raises:
            TagError: the file would grow beyond what its format can say.
        """
        chunk = self.lead + self.name + struct.pack(f"{self.order}I", len(tag)) + tag + b"\0" * (len(tag) % 2)
        size = self.form_size + len(chunk) - self.stored if _is_known(self.form_size) else self.form_size
        if size > 0xFFFFFFFF:
            raise TagError("the file is too large for its format to grow")
        return [Splice(4, 4, struct.pack(f"{self.order}I", size)), Splice(self.at, self.stored, chunk)]


def find_id3_chunk(file: BinaryIO) -> Id3Chunk:
    """
    Raises:
        TagError: the file's chunks do not add up, so none can be added or replaced.
    """
    length = file.seek(0, 2)
    file.seek(0)
    head = file.read(12)
    order = "<" if head[:4] == b"RIFF" else ">"
    form_size = struct.unpack(f"{order}I", head[4:8])[0]
    at, form_end = 12, min(length, 8 + form_size) if _is_known(form_size) else length
    while at + _CHUNK_HEAD <= form_end:
        file.seek(at)
        name, size = struct.unpack(f"{order}4sI", file.read(_CHUNK_HEAD))
        end = at + _CHUNK_HEAD + size
        if end > length:
            raise TagError("its last chunk is cut off or of unknown length, so no tag can be added")
        padded = min(end + size % 2, length)
        if name in _ID3_NAMES:
            return Id3Chunk(order, form_size, name, at, padded - at, b"", file.read(size))
        at = padded
    name = b"ID3 " if order == ">" else b"id3 "
    return Id3Chunk(order, form_size, name, at, 0, b"\0" * (at % 2), b"")


def _is_known(form_size: int) -> bool:
    """Whether the length is one: a writer to a pipe leaves 0 or a very large number, which then stays."""
    return 0 < form_size < 0x7FFFF000
