"""Blocks of samples through FFmpeg's libraries (PyAV): MP3, M4A, AAC, Opus, WMA and what libsndfile leaves."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from typing import Any, BinaryIO

import av
import numpy as np
import numpy.typing as npt

from core.audio.errors import AudioError

FORMATS = "mp3,aac,mov,asf,ogg,wav,w64,aiff,au,flac,matroska"
"""Demuxers that may be chosen. Playlists are not among them: they would have FFmpeg open other files and addresses."""
PREROLL = 0.5
"""Seconds decoded and dropped before a place that was sought: MP3 and Opus frames lean on those before them."""
PLANES = 8
"""Channels in planes of their own that PyAV can read."""
FULL_SCALE = {"u1": 128.0, "i2": 32768.0, "i4": 2147483648.0}


class _Source:
    """An open file as FFmpeg sees it. Damaged files send it to impossible places: PyAV would print that as an error."""

    def __init__(self, file: BinaryIO) -> None:
        self.read = file.read
        self.tell = file.tell
        self._seek = file.seek

    def seek(self, offset: int, whence: int) -> int:
        try:
            return self._seek(offset, whence)
        except (OSError, OverflowError):
            return -1


@contextmanager
def open_ffmpeg(path: str | os.PathLike[str], file: BinaryIO) -> Iterator[tuple[Any, Any]]:
    """The container and its first audio stream. FFmpeg reads through the open file and never sees its name.

    Raises:
        AudioError: it is no audio that FFmpeg knows, or holds no audio stream.
    """
    file.seek(0)
    try:
        with av.open(_Source(file), options={"format_whitelist": FORMATS}, metadata_errors="replace") as container:
            if not container.streams.audio:
                raise AudioError(path, "holds no audio")
            stream = container.streams.audio[0]
            if stream.codec_context is None:
                raise AudioError(path, "is of a kind of audio for which there is no decoder")
            stream.codec_context.thread_count = 1  # clips are decoded in parallel, not parts of them
            yield container, stream
    except av.FFmpegError as error:
        raise AudioError(path, "is not audio, or its beginning is damaged") from error


def ffmpeg_blocks(
    path: str | os.PathLike[str], file: BinaryIO, start: float, duration: float | None
) -> Iterator[tuple[npt.NDArray[np.float32], int]]:
    """Mono blocks, (samples,), and the rate, from ``start`` for ``duration`` seconds.

    What does not decode, or decodes to another rate, is skipped, as players do.

    Raises:
        AudioError: as ``open_ffmpeg``; or that is more than half of it.
    """
    with open_ffmpeg(path, file) as (container, stream):
        origin = Fraction(0)
        if start > PREROLL:
            origin = _first_time(container, stream)
            container.seek(int((start - PREROLL + origin) / stream.time_base), stream=stream)
        rate, position, first, end = 0, 0, 0, None
        good = bad = 0
        for packet in _packets(container, stream):
            try:
                frames = packet.decode()
            except av.FFmpegError:
                bad += 1
                continue
            for frame in frames:
                if not rate:
                    rate = frame.sample_rate
                    first = round(start * rate)
                    end = None if duration is None else first + round(duration * rate)
                    if start > PREROLL and frame.pts is not None:
                        position = max(0, round((frame.pts * frame.time_base - origin) * rate))
                if frame.sample_rate != rate:
                    bad += 1
                    continue
                try:
                    samples = _mono(frame)
                except av.FFmpegError:
                    bad += 1
                    continue
                good += 1
                block = samples[max(0, first - position) : None if end is None else max(0, end - position)]
                position += frame.samples
                if len(block):
                    yield block, rate
            if end is not None and position >= end:
                return
        if bad > good:
            raise AudioError(path, f"is damaged ({bad} of {bad + good} pieces do not decode)")


def _first_time(container: Any, stream: Any) -> Fraction:
    """The time stamp of the first samples that come out: decoders start later than the stream says, by their delay."""
    for packet in _packets(container, stream):
        with suppress(av.FFmpegError):
            for frame in packet.decode():
                return Fraction((frame.pts or 0) * frame.time_base)
    return Fraction(0)


def _packets(container: Any, stream: Any) -> Iterator[Any]:
    """The stream's packets; a container that breaks off in the middle ends there."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except av.FFmpegError:
            return
        if packet is None:
            return
        yield packet


def _mono(frame: Any) -> npt.NDArray[np.float32]:
    """The mean of a frame's channels, (samples,), full scale at 1."""
    if frame.format.is_planar and len(frame.layout.channels) > PLANES:
        frame = _packed(frame)
    samples = frame.to_ndarray()
    channels_CN = samples if frame.format.is_planar else samples.reshape(-1, len(frame.layout.channels)).T
    mono: npt.NDArray[np.float32] = channels_CN.mean(axis=0, dtype=np.float32)
    kind = samples.dtype.str[1:]
    if kind == "u1":
        mono -= 128.0
    return mono / np.float32(FULL_SCALE[kind]) if kind in FULL_SCALE else mono


def _packed(frame: Any) -> Any:
    """The same samples with the channels woven into one plane.

    PyAV looks for a frame's planes in a table of eight, and for the ninth in whatever memory follows. A damaged AAC
    stream makes the decoder deliver frames of 47 channels.
    """
    weaver = av.AudioResampler(format=frame.format.packed.name, layout=frame.layout, rate=frame.sample_rate)
    return weaver.resample(frame)[0]
