"""What a file's header says: format, rate, channels, length. Decodes nothing, imports no torch."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from core.audio.errors import AudioError
from core.audio.files.formats import AUDIO_SUFFIXES, is_audio, sniff
from core.audio.files.open_file import open_file
from core.audio.files.pcm import read_header

__all__ = ["AUDIO_SUFFIXES", "AudioInfo", "is_audio", "probe", "probe_open"]


@dataclass(frozen=True)
class AudioInfo:
    """``duration_s`` is what the header promises (for MP3 and AAC without a table of contents: FFmpeg's estimate)."""

    path: Path
    format: str
    rate: int
    channels: int
    duration_s: float


def probe(path: str | os.PathLike[str]) -> AudioInfo:
    """The header's account of a file.

    Raises:
        AudioError: it cannot be read, or is no audio.
    """
    with open_file(path) as file:
        return probe_open(path, file)


def probe_open(path: str | os.PathLike[str], file: BinaryIO) -> AudioInfo:
    """The same for a file that is open already."""
    name = sniff(file)
    header = read_header(file)
    if name and header:
        return AudioInfo(Path(path), name, header.rate, header.channels, header.promised / header.rate)
    if name:
        from core.audio.files.sndfile import open_sndfile  # asking for AUDIO_SUFFIXES alone must load no decoder

        with open_sndfile(path, file) as sound:
            return AudioInfo(Path(path), name, sound.samplerate, sound.channels, sound.frames / sound.samplerate)
    from core.audio.files.ffmpeg import open_ffmpeg

    with open_ffmpeg(path, file) as (container, stream):
        if stream.duration is not None:
            seconds = float(stream.duration * stream.time_base)
        else:
            seconds = (container.duration or 0) / 1e6
        if not stream.rate:
            raise AudioError(path, "does not say its sample rate")
        name = _FFMPEG_NAMES.get(container.format.name.split(",")[0], container.format.name.split(",")[0])
        if stream.codec_context.name == "opus":
            name = "opus"
        return AudioInfo(Path(path), name, stream.rate, stream.channels, seconds)


_FFMPEG_NAMES = {"mov": "m4a", "asf": "wma"}
