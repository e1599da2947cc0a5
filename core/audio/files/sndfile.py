"""Blocks of samples through libsndfile: AU, WAV, RF64, Wave64, AIFF, CAF, FLAC and Ogg Vorbis.

Shapes: C channels, N samples.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import soundfile

from core.audio.files.open_file import AudioError, FileView

READ_SAMPLES = 1 << 21
"""Samples of all channels in one read: many channels need no more memory than one."""
UNKNOWN_FRAMES = 1 << 60


@contextmanager
def open_sndfile(path: str | os.PathLike[str], file: BinaryIO | FileView) -> Iterator[Any]:
    """Open a file with libsndfile, which is given no name and so detects the format by content alone.

    Raises:
        AudioError: libsndfile cannot read it, on opening or later.
    """
    file.seek(0)
    try:
        source = file if isinstance(file, FileView) else file.fileno()
        with soundfile.SoundFile(source, closefd=False) as sound:
            if sound.frames > UNKNOWN_FRAMES:
                raise AudioError(path, "does not say its length")
            yield sound
    except soundfile.SoundFileError as error:
        raise AudioError(path, f"is damaged ({str(error).rsplit(': ', 1)[-1].strip(' .').lower()})") from error


def sndfile_blocks(
    path: str | os.PathLike[str], file: BinaryIO | FileView, start: float, duration: float | None
) -> Iterator[tuple[npt.NDArray[np.float32], int]]:
    """Blocks (C, N), full scale at 1, and the rate, from ``start`` for ``duration`` seconds."""
    with open_sndfile(path, file) as sound:
        rate: int = sound.samplerate
        first = round(start * rate)
        left = sound.frames - first if duration is None else min(round(duration * rate), sound.frames - first)
        if first and left > 0:
            sound.seek(first)
        size = max(1, READ_SAMPLES // sound.channels)
        while left > 0:
            block = sound.read(min(size, left), dtype="float32", always_2d=True)
            if not len(block):
                return
            left -= len(block)
            yield block.T, rate
