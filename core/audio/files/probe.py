"""Reading a file's header: format, rate, channels, length. Decodes nothing and imports no torch."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from core.audio.files.formats import BY_DEMUXER, BY_NAME, sniff
from core.audio.files.open_file import AudioError, FileView, open_file
from core.audio.files.pcm import read_header


@dataclass(frozen=True)
class AudioInfo:
    """``duration_s`` is the stated length, or FFmpeg's estimate for formats that state none."""

    path: Path
    format: str
    rate: int
    channels: int
    duration_s: float


def probe(path: str | os.PathLike[str]) -> AudioInfo:
    """Read the header of a file.

    Raises:
        AudioError: it cannot be read, or is not audio.
    """
    with open_file(path) as file:
        return probe_open(path, file)


def probe_open(path: str | os.PathLike[str], file: BinaryIO) -> AudioInfo:
    """As `probe`, for an open file."""
    form = sniff(file)
    header = read_header(file)
    if form and header and (header.byte_rate or not header.size):
        return AudioInfo(Path(path), form.name, header.rate, header.channels, header.promised_s)
    if form and form.sndfile and header is None:
        from core.audio.files.sndfile import open_sndfile  # listing AUDIO_SUFFIXES must load no decoder

        try:
            with open_sndfile(path, file) as sound:
                return AudioInfo(
                    Path(path), form.name, sound.samplerate, sound.channels, sound.frames / sound.samplerate
                )
        except AudioError:
            pass  # FFmpeg may know it
    return _probe_ffmpeg(path, file)


def _probe_ffmpeg(path: str | os.PathLike[str], file: BinaryIO | FileView) -> AudioInfo:
    from core.audio.files.ffmpeg import open_ffmpeg

    with open_ffmpeg(path, file) as (container, stream, _):
        if stream.duration is not None:
            seconds = float(stream.duration * stream.time_base)
        else:
            seconds = (container.duration or 0) / 1e6
        if not stream.rate:
            raise AudioError(path, "does not say its sample rate")
        demuxer = container.format.name.split(",")[0]
        form = BY_DEMUXER.get(demuxer)
        name = form.name if form else demuxer
        if name == "ogg" and stream.codec_context.name == "opus":
            name = BY_NAME["opus"].name
        return AudioInfo(Path(path), name, stream.rate, stream.channels, seconds)
