"""Blocks of samples through libsndfile: AU, WAV, FLAC, Ogg Vorbis and AIFF."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import soundfile

from core.audio.errors import AudioError

READ_SAMPLES = 1 << 21
"""Samples of all channels together in one read, so that many channels need no more memory than one."""


@contextmanager
def open_sndfile(path: str | os.PathLike[str], file: BinaryIO) -> Iterator[Any]:
    """libsndfile's view of an open file. It gets a descriptor and no name, so that it judges by content alone.

    Raises:
        AudioError: libsndfile does not understand it, then or later.
    """
    file.seek(0)
    try:
        with soundfile.SoundFile(file.fileno(), closefd=False) as sound:
            yield sound
    except soundfile.SoundFileError as error:
        raise AudioError(path, f"is damaged ({str(error).rsplit(': ', 1)[-1].strip(' .').lower()})") from error


def sndfile_blocks(
    path: str | os.PathLike[str], file: BinaryIO, start: float, duration: float | None
) -> Iterator[tuple[npt.NDArray[np.float32], int]]:
    """Mono blocks, (samples,), and the rate, from ``start`` for ``duration`` seconds."""
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
            yield (block[:, 0] if block.shape[1] == 1 else block.mean(axis=1, dtype=np.float32)), rate
