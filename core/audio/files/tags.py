"""Reading genre, artist and album from a file's tags: ID3, Vorbis comments, MP4, APE, ASF, RIFF INFO."""

import contextlib
import re
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import mutagen
from mutagen.id3 import ID3, TCON

from core.audio.files.chunks import RIFF, chunks, held
from core.audio.files.open_file import open_file, peek

KEYS = {
    "genre": ("genre", "\xa9gen", "WM/Genre", "Genre"),
    "artist": ("artist", "\xa9ART", "Author", "Artist"),
    "album_artist": ("albumartist", "album artist", "aART", "WM/AlbumArtist", "Album Artist"),
    "album": ("album", "\xa9alb", "WM/AlbumTitle", "Album"),
}
ID3_FRAMES = {"artist": "TPE1", "album_artist": "TPE2", "album": "TALB"}
INFO_CHUNKS = {b"IGNR": "genre", b"IART": "artist", b"IPRD": "album"}
NUMBER = re.compile(r"\(?(\d{1,3})\)?")
LARGEST_INFO = 1 << 16


class Tags(msgspec.Struct, frozen=True):
    """``genres`` are in the order of the file, with ID3 numbers resolved; missing tags are empty."""

    genres: list[str] = []
    artist: str = ""
    album_artist: str = ""
    album: str = ""


def read_tags(path: Path) -> Tags:
    """Read the tags of a file; they are empty if it has none or they are damaged.

    Raises:
        AudioError: the file cannot be opened.
    """
    with open_file(path) as file:
        found = _info_chunk(file)
        tags = _mutagen_tags(file, path)
    for name in KEYS:
        if values := _values(tags, name):
            found[name] = values
    genres = [part for value in found.get("genre", []) for part in value.split("\0")]
    return Tags(
        [resolved for genre in genres if (resolved := _resolved(genre.strip()))],
        *("; ".join(found.get(name, [])).strip() for name in ("artist", "album_artist", "album")),
    )


def _mutagen_tags(file: BinaryIO, path: Path) -> Any:
    file.seek(0)
    try:
        opened = mutagen.File(_Named(file, path))
    except Exception:  # a damaged file can raise anything in the library's parsers; it has no tags then
        return None
    return None if opened is None else opened.tags


class _Named:
    """A file with the name from which mutagen detects the format."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file, self.name = file, str(path)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _values(tags: Any, name: str) -> list[str]:
    if tags is None:
        return []
    is_id3: bool = isinstance(tags, ID3)  # without narrowing: mutagen has no types
    with contextlib.suppress(Exception):  # as above
        if is_id3:
            if name == "genre":
                return [genre for frame in tags.getall("TCON") for genre in frame.genres]
            return [str(text) for frame in tags.getall(ID3_FRAMES[name]) for text in frame.text]
        for key in KEYS[name]:
            if key in tags:
                values = tags[key]
                # An APE value is one text with zeros between several values; the others are lists.
                return [str(value) for value in (values if isinstance(values, list) else str(values).split("\0"))]
    return []


def _resolved(genre: str) -> str:
    """``17`` and ``(17)`` → Rock."""
    number = NUMBER.fullmatch(genre)
    if number and int(number[1]) < len(TCON.GENRES):
        return str(TCON.GENRES[int(number[1])])
    return genre


def _info_chunk(file: BinaryIO) -> dict[str, list[str]]:
    """The texts of a WAV file's LIST INFO chunk."""
    head = peek(file, 12)
    found: dict[str, list[str]] = {}
    if head[:4] not in (b"RIFF", b"RF64") or head[8:] != b"WAVE":
        return found
    for info in chunks(partial(peek, file), 12, RIFF):
        if info.name != b"LIST" or info.size > LARGEST_INFO or peek(file, 4, info.offset) != b"INFO":
            continue
        data = peek(file, info.size, info.offset)
        for chunk in chunks(held(data), 4, RIFF):
            text = data[chunk.offset : chunk.offset + chunk.size].rstrip(b"\0").decode("utf-8", "replace").strip()
            if text and (name := INFO_CHUNKS.get(chunk.name)):
                found[name] = [text]
    return found
