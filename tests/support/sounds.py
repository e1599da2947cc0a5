"""Sounds and files to decode, made with what the project itself depends on."""

import struct
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import soundfile

CODECS = {
    ".mp3": "libmp3lame",
    ".m4a": "aac",
    ".aac": "aac",
    ".opus": "libopus",
    ".wma": "wmav2",
}
SNDFILE_SUFFIXES = (".au", ".wav", ".flac", ".aiff", ".ogg")
SUFFIXES = (*SNDFILE_SUFFIXES, *CODECS)


def sweep(seconds: float, rate: int) -> npt.NDArray[np.float32]:
    """A rising tone over quiet noise: every place in it sounds different."""
    t = np.arange(round(seconds * rate)) / rate
    noise = np.random.default_rng(0).normal(0, 0.02, len(t))
    return (0.5 * np.sin(2 * np.pi * (200 + 40 * t) * t) + noise).astype(np.float32)


def write(path: Path, y: npt.NDArray[np.float32], rate: int, **options: Any) -> Path:
    """Writes (samples,) or (samples, channels) in the format that the suffix names."""
    if path.suffix in CODECS:
        encode(path, y, rate, **options)
    else:
        channels = 1 if y.ndim == 1 else y.shape[1]
        with soundfile.SoundFile(path, "w", rate, channels, **options) as sound:
            for begin in range(0, len(y), rate):  # libsndfile's Vorbis encoder overflows its stack on long writes
                sound.write(y[begin : begin + rate])
    return path


def encode(
    path: Path,
    y: npt.NDArray[np.float32],
    rate: int,
    *,
    codec: str | None = None,
    container_format: str | None = None,
    container_options: dict[str, str] | None = None,
    codec_options: dict[str, str] | None = None,
    bit_rate: int | None = None,
) -> None:
    """Writes (samples,) or (samples, channels) by FFmpeg.

    Args:
        codec: FFmpeg's name of the encoder; by default the one in ``CODECS`` for the suffix.
        container_format: FFmpeg's name of the container; by default the one for the suffix.
        bit_rate: in bit/s; by default 128,000, or the encoder's own where ``codec_options`` are given.
    """
    channels_CN = np.atleast_2d(y.T)
    layout = {1: "mono", 2: "stereo"}[len(channels_CN)]
    with av.open(str(path), "w", format=container_format, options=container_options or {}) as container:
        stream = container.add_stream(codec or CODECS[path.suffix], rate=rate, options=codec_options or {})
        assert isinstance(stream, av.AudioStream)
        stream.layout = layout
        stream.bit_rate = (0 if codec_options else 128_000) if bit_rate is None else bit_rate
        stream.codec_context.open()
        size = stream.codec_context.frame_size or 1024
        resampler = av.AudioResampler(stream.format.name, layout, rate, frame_size=size)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(channels_CN, dtype=np.float32), "fltp", layout)
        frame.sample_rate = rate
        frame.pts = 0
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))


def au_header(*, size: int, rate: int, channels: int = 1, encoding: int = 3, offset: int = 24) -> bytes:
    return struct.pack(">4s5I", b".snd", offset, size, encoding, rate, channels)


def wav_header(*, size: int, rate: int, channels: int = 1, bits: int = 16, code: int = 1) -> bytes:
    width = channels * bits // 8
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, code, channels, rate, rate * width, width, bits)
    return (
        struct.pack("<4sI4s", b"RIFF", min(0xFFFFFFFF, 36 + size), b"WAVE") + form + struct.pack("<4sI", b"data", size)
    )
