"""Audio files → mono waveforms.

libsndfile and FFmpeg share the formats out between them (``formats.sniff`` says why); plain 16-bit AU and WAV need
neither.
"""

import os
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from core.audio.errors import AudioError
from core.audio.files.formats import sniff
from core.audio.files.open_file import open_file
from core.audio.files.pcm import PcmHeader, read_header, read_pcm16

Waveform = npt.NDArray[np.float32]
PCM_SECONDS = 30.0
"""Length of a block read from plain 16-bit samples."""


def decode(path: str | os.PathLike[str], *, start: float = 0.0, duration: float | None = None) -> tuple[Waveform, int]:
    """The mono waveform, (samples,) float32 with full scale at 1, and its rate in Hz.

    ``start`` and ``duration`` are in seconds. What lies before ``start`` is sought over, not decoded; what is missing
    at the end is not made up: the waveform is shorter then.

    Raises:
        AudioError: the file cannot be read, is no audio, holds no samples there, or samples that are no numbers.
    """
    with open_file(path) as file:
        blocks = list(_blocks(path, file, start, duration))
    if not blocks:
        raise AudioError(path, "holds no samples" + (f" at {start:g} s" if start else ""))
    rate = blocks[0][1]
    y = blocks[0][0] if len(blocks) == 1 else np.concatenate([block for block, _ in blocks])
    return np.ascontiguousarray(y), rate


def stream(path: str | os.PathLike[str], block_seconds: float = 30.0) -> Iterator[tuple[Waveform, int]]:
    """The whole file as blocks of ``block_seconds`` (the last one shorter), each (samples,) with its rate.

    One block is in memory at a time, however long the file is.

    Raises:
        AudioError: as ``decode``, also half-way.
    """
    with open_file(path) as file:
        yield from stream_open(path, file, block_seconds)


def stream_open(
    path: str | os.PathLike[str], file: BinaryIO, block_seconds: float = 30.0
) -> Iterator[tuple[Waveform, int]]:
    """The same from a file that is open already."""
    parts: list[Waveform] = []
    held = rate = 0
    for piece, rate in _blocks(path, file, 0.0, None):
        size = max(1, round(block_seconds * rate))
        while held + len(piece) >= size:
            cut = size - held
            yield np.concatenate([*parts, piece[:cut]]) if parts else piece[:cut], rate
            parts, held, piece = [], 0, piece[cut:]
        if len(piece):
            parts.append(piece)
            held += len(piece)
    if parts:
        yield np.concatenate(parts) if len(parts) > 1 else parts[0], rate
    if not rate:
        raise AudioError(path, "holds no samples")


def decode_pcm16(
    path: str | os.PathLike[str], *, duration: float | None = None
) -> tuple[npt.NDArray[np.int16], int] | None:
    """The beginning of a mono file of plain 16-bit samples, (samples,) int16, and its rate; None for any other file.

    Raises:
        AudioError: the file cannot be read, or holds no samples.
    """
    with open_file(path) as file:
        header = read_header(file)
        if header is None or not header.is_plain:
            return None
        samples = read_pcm16(file, header, 0, None if duration is None else round(duration * header.rate))
    if not len(samples):
        raise AudioError(path, "holds no samples")
    return samples, header.rate


def _blocks(
    path: str | os.PathLike[str], file: BinaryIO, start: float, duration: float | None
) -> Iterator[tuple[Waveform, int]]:
    """Mono blocks as they come out of the file's decoder."""
    header = read_header(file)
    if header is not None and header.is_plain:
        yield from _pcm_blocks(file, header, start, duration)
        return
    # Neither library is loaded, a tenth of a second together, for who has only plain samples.
    if sniff(file):
        from core.audio.files.sndfile import sndfile_blocks as blocks
    else:
        from core.audio.files.ffmpeg import ffmpeg_blocks as blocks
    for block, rate in blocks(path, file, start, duration):
        if not np.isfinite(block).all():
            raise AudioError(path, "holds samples that are no numbers (NaN or infinite)")
        yield block, rate


def _pcm_blocks(
    file: BinaryIO, header: PcmHeader, start: float, duration: float | None
) -> Iterator[tuple[Waveform, int]]:
    position = round(start * header.rate)
    end = header.frames if duration is None else min(header.frames, position + round(duration * header.rate))
    size = max(1, round(PCM_SECONDS * header.rate))
    while position < end and len(samples := read_pcm16(file, header, position, min(size, end - position))):
        position += len(samples)
        yield np.multiply(samples, np.float32(1 / 32768), dtype=np.float32), header.rate
