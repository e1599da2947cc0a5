"""Blocks of samples through FFmpeg's libraries (PyAV): MP3, M4A, AAC, Opus, WMA and whatever libsndfile rejects.

Shapes: C channels, N samples.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, BinaryIO

import av
import numpy as np
import numpy.typing as npt
from av.stream import Disposition

from core.audio.files.formats import BY_DEMUXER, begins_container
from core.audio.files.open_file import AudioError, FileView, size_of
from core.audio.files.truncation import leading_tag_bytes

DEMUXERS = ",".join(BY_DEMUXER)
"""Playlists are left out: they would make FFmpeg open other files and URLs."""
PREROLL = 0.5
"""Seconds decoded and dropped after a seek: MP3 and Opus frames depend on those before them."""
PLANES = 8
"""Planar channels that PyAV can read."""
READABLE = ("u8", "s16", "s32", "flt", "dbl")
"""Sample formats, packed or planar with a p, that PyAV reads into arrays."""
FULL_SCALE = {"u1": 128.0, "i2": 32768.0, "i4": 2147483648.0}
PROBED_BYTES = 500_000
"""Longer ID3 tags, with pictures, are skipped: FFmpeg looks no further for the format and takes any file for an MP3.
Shorter ones are skipped before a container; before bare frames, they help FFmpeg to detect the format."""
STALL_SECONDS = 8.0
"""Time without a decoded frame after which decoding ends: gigabytes of zeros would be searched for a frame."""
SMALLEST_GAP = 0.02
"""Seconds between timestamps that count as a gap: some containers round them to milliseconds."""
ZEROS = bytes(64)
CHECKED = ("flac", "tta", "wavpack", "tak")
"""Codecs with a checksum per frame. A wrong one is treated as an error; the decoder would output a guess instead."""
MOST_ERRORS = 50
"""Consecutive errors of the container after which reading ends."""
UNCOMPRESSED = ("pcm", "adpcm", "dsd", "g72")
"""Prefixes of the names of codecs in which a packet of zeros is valid sound."""


@dataclass
class Losses:
    """What a decoder skipped, for `core.audio.files.truncation`."""

    decoded: int = 0
    """Decoded frames."""
    bad: int = 0
    """Packets or frames that cannot be decoded."""
    packet_bytes: int = 0
    """Bytes in all packets of the container."""
    bad_bytes: int = 0
    """Bytes in packets that cannot be decoded: what is skipped in search of the next frame comes as one packet."""
    last_packet: bytes = b""
    gap_s: float = 0.0
    """Seconds that are missing between timestamps."""


class _Source:
    """An open file as FFmpeg sees it. Damaged files cause invalid seeks, which PyAV would print as errors."""

    def __init__(self, file: BinaryIO | FileView) -> None:
        self._read, self.tell, self._seek = file.read, file.tell, file.seek
        self.stalled = False
        self.progress()

    def progress(self) -> None:
        self._deadline = time.monotonic() + STALL_SECONDS

    def read(self, count: int) -> bytes:
        if time.monotonic() > self._deadline:
            self.stalled = True
        return b"" if self.stalled else self._read(count) or b""

    def seek(self, offset: int, whence: int) -> int:
        try:
            return self._seek(offset, whence)
        except (OSError, OverflowError, KeyError):
            return -1


@contextmanager
def open_ffmpeg(path: str | os.PathLike[str], file: BinaryIO | FileView) -> Iterator[tuple[Any, Any, _Source]]:
    """The container, its default audio stream, and the source that it reads through.

    FFmpeg reads through the open file and never sees its name.

    Raises:
        AudioError: FFmpeg does not support it, it has no audio stream, or nothing could be decoded for too long.
    """
    if not isinstance(file, FileView):
        begin = leading_tag_bytes(file)
        if 0 < begin < size_of(file) and (begin > PROBED_BYTES or begins_container(file, begin)):
            file = FileView(file, begin)
    file.seek(0)
    source = _Source(file)
    try:
        with av.open(source, options={"format_whitelist": DEMUXERS}, metadata_errors="replace") as container:
            stream = _default_stream(path, container)
            stream.codec_context.thread_count = 1  # clips are decoded in parallel, not parts of them
            strict = "+explode" if stream.codec_context.name in CHECKED else ""
            stream.codec_context.options = {"err_detect": "crccheck" + strict}
            yield container, stream, source
    except av.FFmpegError as error:
        raise AudioError(path, _stalled() if source.stalled else "is not audio, or its beginning is damaged") from error
    if source.stalled:
        raise AudioError(path, _stalled())


def _stalled() -> str:
    return f"cannot be decoded: no sound was found in it for {STALL_SECONDS:.0f} s"


def _default_stream(path: str | os.PathLike[str], container: Any) -> Any:
    """The default stream, or else the first, of those that can be decoded."""
    streams = container.streams.audio
    if not streams:
        raise AudioError(path, "has no audio")
    decodable = [stream for stream in streams if stream.codec_context is not None]
    if not decodable:
        raise AudioError(path, "holds audio in a codec that cannot be decoded")
    return next((stream for stream in decodable if stream.disposition & Disposition.default), decodable[0])


def ffmpeg_blocks(
    path: str | os.PathLike[str],
    file: BinaryIO | FileView,
    start: float,
    duration: float | None,
    losses: Losses,
    skip: int = 0,
) -> Iterator[tuple[npt.NDArray[np.float32], int]]:
    """Blocks (C, N), full scale at 1, and the rate, from ``start`` for ``duration`` seconds.

    Damaged packets are skipped, as players do, and counted in ``losses``.

    Args:
        skip: samples to decode and drop, without seeking.

    Raises:
        AudioError: as for `open_ffmpeg`, or more than half of it cannot be decoded.
    """
    with open_ffmpeg(path, file) as (container, stream, source):
        origin = Fraction(0)
        if start > PREROLL:
            origin = _first_time(container, stream)
            container.seek(int((start - PREROLL + origin) / stream.time_base), stream=stream)
        rate, position, first, end = 0, 0, skip, None
        expected: float | None = None
        tick = float(stream.time_base)
        for frame in _frames(container, stream, losses):
            source.progress()
            try:
                block_CN = _channels(frame)
            except av.FFmpegError:
                losses.bad += 1
                continue
            losses.decoded += 1
            if frame.sample_rate != rate:
                if not rate:
                    first = skip or round(start * frame.sample_rate)
                    end = None if duration is None else first + round(duration * frame.sample_rate)
                    if start > PREROLL and frame.pts is not None:
                        position = max(0, round((frame.pts * frame.time_base - origin) * frame.sample_rate))
                rate = frame.sample_rate
            samples: int = frame.samples
            if (pts := frame.pts) is not None:
                now = pts * tick
                if expected is not None and now - expected > SMALLEST_GAP:
                    losses.gap_s += now - expected
                expected = now + samples / rate
            if position < first or end is not None:
                block_CN = block_CN[:, max(0, first - position) : None if end is None else max(0, end - position)]
            position += samples
            if block_CN.shape[1]:
                yield block_CN, rate
                source.progress()
            if end is not None and position >= end:
                return
        if losses.bad > losses.decoded:
            raise AudioError(path, f"is damaged ({losses.bad} of {losses.bad + losses.decoded} pieces are unreadable)")


def _frames(container: Any, stream: Any, losses: Losses) -> Iterator[Any]:
    """Decoded frames, up to the first error that the container cannot recover from."""
    packets = container.demux(stream)
    last, errors = None, 0
    zeros_are_sound = stream.codec_context.name.startswith(UNCOMPRESSED)
    while True:
        try:
            packet = next(packets, None)
            errors = 0
        except av.FFmpegError:
            errors += 1
            if errors < MOST_ERRORS:
                packets = container.demux(stream)
                continue
            packet = None
        if packet is None:
            losses.last_packet = bytes(last) if last is not None else b""
            return
        losses.packet_bytes += packet.size
        last = packet if packet.size else last
        if packet.size >= len(ZEROS) and not zeros_are_sound and bytes(memoryview(packet)[: len(ZEROS)]) == ZEROS:
            losses.bad += 1
            losses.bad_bytes += packet.size
            continue
        try:
            yield from packet.decode()
        except av.FFmpegError:
            losses.bad += 1
            losses.bad_bytes += packet.size


def _first_time(container: Any, stream: Any) -> Fraction:
    """The timestamp of the first decoded samples: decoders start later than the stream states, by their delay."""
    for packet in container.demux(stream):
        with suppress(av.FFmpegError):
            for frame in packet.decode():
                return Fraction((frame.pts or 0) * frame.time_base)
    return Fraction(0)


def _channels(frame: Any) -> npt.NDArray[np.float32]:
    """A frame's samples, (C, N), full scale at 1."""
    if frame.layout.nb_channels > PLANES and frame.format.is_planar:
        frame = _packed(frame)
    if frame.format.packed.name not in READABLE:  # 64-bit integers
        frame = av.AudioResampler(format="dbl", layout=frame.layout, rate=frame.sample_rate).resample(frame)[0]
    samples = frame.to_ndarray()
    block_CN = samples if frame.format.is_planar else samples.reshape(-1, frame.layout.nb_channels).T
    kind = samples.dtype.str[1:]
    scaled: npt.NDArray[np.float32] = block_CN.astype(np.float32, copy=False)
    if kind not in FULL_SCALE:
        return scaled
    if kind == "u1":
        scaled -= 128.0
    scaled /= np.float32(FULL_SCALE[kind])
    return scaled


def _packed(frame: Any) -> Any:
    """The same samples with interleaved channels.

    PyAV reads a frame's planes from a table of eight and beyond its end for further ones, and damaged AAC streams
    give frames of 47 channels.
    """
    weaver = av.AudioResampler(format=frame.format.packed.name, layout=frame.layout, rate=frame.sample_rate)
    return weaver.resample(frame)[0]
