"""Real files of every format, encoded by the libraries that the program brings."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from tests.support.sounds import encode

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
    encode(path, y, rate, codec=codec, container_format=container, bit_rate=96_000)
    return path
