"""Real files of every format, encoded by the libraries that the program brings."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import soundfile

ENCODERS = {
    ".mp3": ("libmp3lame", "mp3"),
    ".m4a": ("aac", "ipod"),
    ".aac": ("aac", "adts"),
    ".opus": ("libopus", "ogg"),
    ".wma": ("wmav2", "asf"),
    ".flac": ("flac", "flac"),
}
"""Suffix → FFmpeg's encoder and container."""


def tone(seconds: float, rate: int, frequency: float = 440.0) -> npt.NDArray[np.float32]:
    return (0.5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def write_sound(path: Path, y: npt.NDArray[np.float32], rate: int) -> Path:
    """A mono file in the format that its suffix says."""
    if path.suffix not in ENCODERS:
        soundfile.write(path, y, rate, subtype="VORBIS" if path.suffix == ".ogg" else "PCM_16")
        return path
    codec, container = ENCODERS[path.suffix]
    with av.open(str(path), "w", format=container) as out:
        stream = out.add_stream(codec, rate=rate, layout="mono")
        stream.bit_rate = 96_000
        frame = av.AudioFrame.from_ndarray(y[None], format="fltp", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
        resampler = av.AudioResampler(
            format=stream.format.name, layout="mono", rate=rate, frame_size=stream.codec_context.frame_size or 1024
        )
        for piece in (*resampler.resample(frame), *resampler.resample(None)):
            out.mux(stream.encode(piece))
        out.mux(stream.encode(None))
    return path
