"""Reading and writing the genre tag in each format: ID3 (MP3, WAV, AIFF), APEv2, Vorbis comments, MP4, ASF.

ID3 and APE tags are edited byte by byte in the file's version, so that frames that a library would convert or drop are
preserved. WAV and AIFF files have an ID3 tag in a chunk. Other formats have only one version, and mutagen preserves
unknown tags.
"""

import os
import struct
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import mutagen
from mutagen._vorbis import VCommentDict
from mutagen.aiff import AIFF
from mutagen.apev2 import APEv2File
from mutagen.asf import ASFTags
from mutagen.id3 import ID3, TCON
from mutagen.mp3 import MP3
from mutagen.mp4 import MP4Tags
from mutagen.trueaudio import TrueAudio
from mutagen.wave import WAVE

from core.audio.files.open_file import AudioError
from core.tags.id3 import (
    HEADER_BYTES,
    ID3V1_BYTES,
    TagError,
    empty_ape_tag,
    find_ape_tag,
    new_tag,
    tag_size,
    with_genres,
)

_ID3_NAMES = (b"ID3 ", b"id3 ")
_CHUNK_HEAD = 8


class Splice(NamedTuple):
    """A part of a file to replace."""

    at: int
    length: int
    data: bytes


class Id3Chunk(NamedTuple):
    """The position of a file's ID3 chunk, or of a new one."""

    order: str
    """Byte order of sizes, for `struct`."""
    form_size: int
    name: bytes
    at: int
    """Where the chunk's head begins; the end of the last chunk if the file has no ID3 chunk."""
    stored: int
    """Bytes in the file, with head and pad byte; 0 if the file has no ID3 chunk."""
    lead: bytes
    """A pad byte that is missing after the previous chunk."""
    tag: bytes

    def splices(self, tag: bytes) -> list[Splice]:
        """The replacements that give the file another tag.

        Raises:
            TagError: the file would become too large for its format.
        """
        chunk = self.lead + self.name + struct.pack(f"{self.order}I", len(tag)) + tag + b"\0" * (len(tag) % 2)
        size = self.form_size + len(chunk) - self.stored if _is_known(self.form_size) else self.form_size
        if size > 0xFFFFFFFF:
            raise TagError("the file is too large for its format to grow")
        return [Splice(4, 4, struct.pack(f"{self.order}I", size)), Splice(self.at, self.stored, chunk)]


def find_id3_chunk(file: BinaryIO) -> Id3Chunk:
    """Find the ID3 chunk of a WAV or AIFF file, or the place for a new one.

    Raises:
        TagError: the sizes of the file's chunks are inconsistent, so none can be added or replaced.
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
    """Whether the length is valid: a writer to a pipe leaves 0 or a very large number, which is not changed."""
    return 0 < form_size < 0x7FFFF000


_MP4_GENRE, _ASF_GENRE, _VORBIS_GENRE = "\xa9gen", "WM/Genre", "genre"
_NO_GENRE = 255
_BLOCK = 1 << 20


def read_genres(path: Path) -> list[str]:
    """The genres that the tags name; none if there are no tags.

    Raises:
        AudioError: the file cannot be read, or its format has no tags.
    """
    return _genres_of(path, _open(path))


def same_genres(stored: list[str], wanted: list[str]) -> bool:
    """Whether tags that read as ``stored`` hold ``wanted``; a number such as 17 or (17) stands for its ID3 name."""
    return stored == wanted or stored == _genre_frame(encoding=3, text=wanted).genres


_genre_frame: Any = TCON  # mutagen has no types


def set_genres(path: Path, genres: list[str]) -> None:
    """Write the genres to the file in place and preserve every other tag.

    If the process is killed, the file may be damaged; see `core.tags.write`.

    Args:
        genres: an empty list removes the genre.

    Raises:
        AudioError: as ``read_genres``, or the file cannot be written.
    """
    file = _open(path)
    try:
        if isinstance(file, (MP3, TrueAudio)):
            _splice(path, _front_splices(path, file, genres))
        elif isinstance(file, (WAVE, AIFF)):
            _splice(path, _chunk_splices(path, genres))
        elif isinstance(file, APEv2File):
            _splice(path, _ape_splices(path, genres))
        else:
            _save(path, file, genres)
    except OSError:
        raise
    except Exception as error:  # a damaged file can raise anything in the library's parsers
        raise AudioError(path, f"its tags cannot be written ({_words(error)})") from error


def _open(path: Path) -> Any:
    try:
        file = mutagen.File(path)
    except Exception as error:  # a damaged file can raise anything in the library's parsers
        raise AudioError(path, f"its tags cannot be read ({_words(error)})") from error
    if file is None or not hasattr(file, "add_tags") or type(file).__name__ == "AAC":
        raise AudioError(path, f"{path.suffix.lower() or 'this format'} files cannot hold tags")
    return file


def _genres_of(path: Path, file: Any) -> list[str]:
    tags: Any = file.tags
    try:
        if not isinstance(tags, ID3) and not isinstance(file, (MP3, TrueAudio)):
            return [] if tags is None else [str(value) for value in tags.get(_key(tags), [])]
        stored = [] if tags is None else [genre for frame in tags.getall("TCON") for genre in frame.genres]
        if isinstance(file, (MP3, TrueAudio)) and (not stored or tags.version < (2, 0)):
            # An ID3v1 genre counts only if no other tag has one.
            with path.open("rb") as opened:
                ape = find_ape_tag(opened)
            stored = (ape.genres if ape else []) or stored
        return stored
    except Exception as error:  # as in `_open`
        raise AudioError(path, f"its tags cannot be read ({_words(error)})") from error


def _front_splices(path: Path, file: Any, genres: list[str]) -> list[Splice]:
    """Replacements for ID3v2 at the beginning and APEv2 and ID3v1 at the end; each existing tag gets the genre.

    Without ID3v2 and APEv2 an ID3v2 tag is added, which repeats the fields of an ID3v1 tag.
    """
    splices = []
    with path.open("rb") as opened:
        size = tag_size(opened.read(HEADER_BYTES))
        opened.seek(0)
        tag = opened.read(size)
        ape, length = find_ape_tag(opened), opened.seek(0, 2)
        opened.seek(max(0, length - ID3V1_BYTES))
        has_v1 = opened.read(3) == b"TAG"
    if tag:
        splices.append(Splice(0, size, with_genres(tag, genres)))
    elif ape is None and genres:
        splices.append(Splice(0, 0, new_tag(genres, file.tags)))
    if ape is not None and (ape.genres or not tag):
        splices.append(Splice(ape.at, len(ape.data), ape.with_genres(genres)))
    if has_v1:
        number = TCON.GENRES.index(genres[0]) if genres and genres[0] in TCON.GENRES else _NO_GENRE
        splices.append(Splice(length - 1, 1, bytes([number])))
    return splices


def _chunk_splices(path: Path, genres: list[str]) -> list[Splice]:
    with path.open("rb") as opened:
        chunk = find_id3_chunk(opened)
    size = tag_size(chunk.tag)
    if not size:
        return chunk.splices(new_tag(genres)) if genres else []
    if size > len(chunk.tag):
        raise TagError("its ID3 tag is cut off")
    return chunk.splices(with_genres(chunk.tag[:size], genres) + chunk.tag[size:])


def _ape_splices(path: Path, genres: list[str]) -> list[Splice]:
    with path.open("rb") as opened:
        ape, length = find_ape_tag(opened), opened.seek(0, os.SEEK_END)
        opened.seek(max(0, length - ID3V1_BYTES))
        end = length - ID3V1_BYTES if opened.read(3) == b"TAG" else length
    if ape is None:
        return [Splice(end, 0, empty_ape_tag(end).with_genres(genres))] if genres else []
    return [Splice(ape.at, len(ape.data), ape.with_genres(genres))]


def _splice(path: Path, splices: list[Splice]) -> None:
    """Replace parts of a file, the last one first."""
    with path.open("r+b") as file:
        for at, length, data in sorted(splices, reverse=True):
            if len(data) != length:
                _move_tail(file, at + length, at + len(data))
            file.seek(at)
            file.write(data)


def _move_tail(file: BinaryIO, start: int, to: int) -> None:
    """Move everything from ``start`` on, block by block, in an order that overwrites no unread block."""
    length = file.seek(0, os.SEEK_END)
    blocks = range(start, length, _BLOCK)
    for at in reversed(blocks) if to > start else blocks:
        file.seek(at)
        data = file.read(min(_BLOCK, length - at))
        file.seek(at + to - start)
        file.write(data)
    if to < start:
        file.truncate(length + to - start)


def _save(path: Path, file: Any, genres: list[str]) -> None:
    """Save with mutagen.

    Raises:
        TagError: another tag would change.
    """
    if file.tags is None:
        if not genres:
            return
        file.add_tags()
    key, others = _key(file.tags), _others(file.tags)
    if isinstance(file.tags, VCommentDict) and any("\ufffd" in value for _, value in file.tags):
        raise TagError("a comment is not valid UTF-8 and would be altered")
    if genres:
        file.tags[key] = genres
    elif key in file.tags:
        del file.tags[key]
    file.save()
    if _others(mutagen.File(path).tags) != others:
        raise TagError("another tag would be altered")


def _others(tags: Any) -> list[tuple[str, str]]:
    """All tags except the genre, for comparison."""
    key = _key(tags).lower()
    return sorted((name, repr(value)) for name, value in dict(tags).items() if name.lower() != key)


def _key(tags: Any) -> str:
    return _MP4_GENRE if isinstance(tags, MP4Tags) else _ASF_GENRE if isinstance(tags, ASFTags) else _VORBIS_GENRE


def _words(error: Exception) -> str:
    text = " ".join(str(error).split())
    return (
        text
        if text and isinstance(error, (TagError, mutagen.MutagenError))
        else f"{type(error).__name__} {text}".strip()
    )
