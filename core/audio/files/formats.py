"""Which files are audio: by name, for lists of files, and by their first bytes, for decoding them."""

import os
from pathlib import Path
from typing import BinaryIO

from core.audio.files.open_file import peek

AUDIO_SUFFIXES = frozenset(
    {".au", ".snd", ".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".m4a", ".mp4", ".aac", ".aif", ".aiff", ".wma"}
)


def is_audio(path: str | os.PathLike[str]) -> bool:
    """Whether the name says audio; the file is not touched."""
    return Path(path).suffix.lower() in AUDIO_SUFFIXES


def sniff(file: BinaryIO) -> str | None:
    """The format that libsndfile decodes well, by the file's content: au, wav, flac, ogg or aiff; None for any other.

    MP3 is left out on purpose: libsndfile reads half of a variable-rate file that has no Xing header, and libmpg123
    prints to standard error. Opus is left out because FFmpeg is three times faster. A ``.au`` whose header is garbage
    is none of these, where libsndfile, going by the name, would play it as raw µ-law.
    """
    head = peek(file, 64)
    if head[:4] == b".snd":
        return "au"
    if head[:4] in (b"RIFF", b"RIFX", b"RF64") and head[8:12] == b"WAVE":
        return "wav"
    if head[:4] == b"fLaC":
        return "flac"
    if head[:4] == b"OggS":
        return "ogg" if b"\x01vorbis" in head else None
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return "aiff"
    return None
