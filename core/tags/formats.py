"""The genre among a file's tags, in each format's own way: ID3 (MP3, WAV, AIFF), Vorbis comments, MP4, ASF."""

from pathlib import Path
from typing import Any

import mutagen
from mutagen.asf import ASFTags
from mutagen.id3 import ID3, TCON
from mutagen.mp4 import MP4Tags

from core.audio.errors import AudioError

_MP4_GENRE, _ASF_GENRE, _VORBIS_GENRE = "\xa9gen", "WM/Genre", "genre"
_UTF8 = 3
_genre_frame: Any = TCON  # mutagen has no types


def read_genres(path: Path) -> list[str]:
    """The genres that the tags name; none where there are no tags.

    Raises:
        AudioError: the file cannot be read, or its format has no tags.
    """
    tags = _open(path).tags
    if tags is None:
        return []
    if _is_id3(tags):
        return [genre for frame in tags.getall("TCON") for genre in frame.genres]
    return [str(value) for value in tags.get(_key(tags), [])]


def has_tags(path: Path) -> bool:
    """Whether there are any tags at all.

    Raises:
        AudioError: as ``read_genres``.
    """
    return _open(path).tags is not None


def set_genres(path: Path, genres: list[str], *, drop_tags: bool = False) -> None:
    """Writes the genres into the file as it lies there, and leaves every other tag alone.

    Killed in the middle, this may leave half a file: see ``core.tags.write``.

    Args:
        genres: none removes the genre.
        drop_tags: remove all tags instead, where the genre was the only one.

    Raises:
        AudioError: as ``read_genres``, or the file cannot be written.
    """
    file = _open(path)
    try:
        if file.tags is None:
            if not genres:
                return
            file.add_tags()
        _put(file.tags, genres)
        if drop_tags and not _names(file.tags):
            file.delete()
        elif _is_id3(file.tags) and file.tags.version[:2] == (2, 3):
            # mutagen works on 2.4 and would leave the file so; players of the age of 2.3 do not read it.
            file.tags.update_to_v23()
            file.save(v2_version=3)
        else:
            file.save()
    except mutagen.MutagenError as error:
        raise AudioError(path, f"its tags cannot be written ({_words(error)})") from error


def _open(path: Path) -> Any:
    try:
        file = mutagen.File(path)
    except mutagen.MutagenError as error:
        raise AudioError(path, f"its tags cannot be read ({_words(error)})") from error
    if file is None or not hasattr(file, "add_tags") or type(file).__name__ == "AAC":
        raise AudioError(path, f"{path.suffix.lower() or 'this format'} has no place for tags")
    return file


def _put(tags: Any, genres: list[str]) -> None:
    if _is_id3(tags):
        tags.delall("TCON")
        if genres:
            tags.add(_genre_frame(encoding=_UTF8, text=genres))
    elif genres:
        tags[_key(tags)] = genres
    elif _key(tags) in tags:
        del tags[_key(tags)]


def _is_id3(tags: Any) -> bool:
    return isinstance(tags, ID3)


def _key(tags: Any) -> str:
    return _MP4_GENRE if isinstance(tags, MP4Tags) else _ASF_GENRE if isinstance(tags, ASFTags) else _VORBIS_GENRE


def _names(tags: Any) -> list[str]:
    return list(tags.keys())


def _words(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
