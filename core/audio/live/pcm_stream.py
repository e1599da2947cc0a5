"""Sound as it comes through a pipe or a socket: a WAV header and samples, or bare 16-bit samples at a stated rate."""

import struct
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.audio.resample import HIGHEST_RATE, LOWEST_RATE
from core.util.errors import UserError

Waveform = npt.NDArray[np.float32]
LONGEST_HEADER = 1 << 20
"""Bytes before a WAV's samples; more is no header."""
PROBE_BYTES = 4096
PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE

NOT_SAMPLES = {
    b"ID3": "MP3",
    b"\xff\xfb": "MP3",
    b"\xff\xf3": "MP3",
    b"\xff\xf1": "AAC",
    b"fLaC": "FLAC",
    b"OggS": "Ogg",
    b".snd": "Sun AU",
    b"FORM": "AIFF",
    b"\x1aE\xdf\xa3": "Matroska",
    b"PK\x03\x04": "a ZIP archive",
    b"\x1f\x8b": "gzip",
}
"""First bytes → what they are the beginning of."""
HINT = "send 16-bit samples or WAV, for instance from: ffmpeg -i INPUT -f wav -"


class StreamError(UserError):
    """What comes is no sound that this can play."""


class _Format(NamedTuple):
    rate: int
    channels: int
    dtype: str
    width: int
    """Bytes in a sample of one channel."""


class PcmDecoder:
    """Bytes in, pieces of any size; mono samples out. Which of the two kinds it is, the first bytes say."""

    def __init__(self, rate: int) -> None:
        """Args:
        rate: of bare samples, in Hz.
        """
        self._format: _Format | None = None
        self._stated = _Format(rate, 1, "<i2", 2)
        self._held = b""

    @property
    def rate(self) -> int | None:
        """In Hz; None until the first bytes have come."""
        return self._format.rate if self._format else None

    def push(self, data: bytes) -> Waveform:
        """
        Raises:
            StreamError: the bytes are no such sound; the sentence says what they seem to be.
        """
        self._held += data
        if self._format is None and not self._begin():
            return np.zeros(0, dtype=np.float32)
        assert self._format is not None
        block = self._format.width * self._format.channels
        whole = len(self._held) // block * block
        raw, self._held = self._held[:whole], self._held[whole:]
        samples = _mono(raw, self._format)
        if not np.isfinite(samples).all():
            raise StreamError(f"the samples are no numbers (NaN or infinite); {HINT}")
        return samples

    def end(self) -> None:
        """To be called when no more bytes will come.

        Raises:
            StreamError: what came was no sound.
        """
        if self._format is None:
            seems = "text, not samples" if self._held and _is_text(self._held) else "too little to be sound"
            raise StreamError(f"this is {seems} ({len(self._held):,} bytes in all); {HINT}")

    def _begin(self) -> bool:
        """Whether the format is known, and what is held begins with samples."""
        head = self._held
        if len(head) < 12:
            return False
        if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
            return self._read_wav_header()
        for magic, name in NOT_SAMPLES.items():
            if head.startswith(magic):
                raise StreamError(f"this is {name}, not samples; {HINT}")
        if head[4:8] == b"ftyp":
            raise StreamError(f"this is MP4, not samples; {HINT}")
        if _is_text(head[:PROBE_BYTES]):
            if len(head) < PROBE_BYTES:
                return False  # or a very odd sound: wait for more
            raise StreamError(f"this is text, not samples; {HINT}")
        self._format = self._stated
        return True

    def _read_wav_header(self) -> bool:
        position, form = 12, b""
        while len(self._held) >= position + 8:
            name, size = self._held[position : position + 4], _u32(self._held, position + 4)
            position += 8
            if name == b"data":
                self._format = _wav_format(form)
                # The length is not looked at: who writes to a pipe does not know it.
                self._held = self._held[position:]
                return True
            if name == b"fmt ":
                form = self._held[position : position + min(size, 40)]
            position += size + size % 2
            if position > LONGEST_HEADER:
                raise StreamError(f"the WAV header has no end; {HINT}")
        return False


def _is_text(data: bytes) -> bool:
    return all(9 <= byte <= 126 for byte in data)


def _wav_format(form: bytes) -> _Format:
    if len(form) < 16:
        raise StreamError(f"the WAV header does not say what its samples are; {HINT}")
    code, channels, rate, _, _, bits = struct.unpack("<HHIIHH", form[:16])
    if code == EXTENSIBLE and len(form) >= 26:
        code = struct.unpack("<H", form[24:26])[0]
    kinds = {
        (PCM, 8): "u1",
        (PCM, 16): "<i2",
        (PCM, 24): "i3",
        (PCM, 32): "<i4",
        (FLOAT, 32): "<f4",
        (FLOAT, 64): "<f8",
    }
    kind = kinds.get((code, bits))
    if kind is None or not channels or not rate:
        raise StreamError(f"a WAV of format {code} with {bits} bits a sample cannot be played; {HINT}")
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise StreamError(f"a WAV of {rate:,} Hz cannot be played")
    return _Format(rate, channels, kind, bits // 8)


def _mono(raw: bytes, form: _Format) -> Waveform:
    """Whole frames of samples → the mean of their channels, full scale at 1."""
    if form.dtype == "i3":
        padded = np.zeros((len(raw) // 3, 4), dtype=np.uint8)
        padded[:, 1:] = np.frombuffer(raw, dtype=np.uint8).reshape(-1, 3)
        samples = padded.view("<i4")[:, 0].astype(np.float32) / 2.0**31
    else:
        values = np.frombuffer(raw, dtype=form.dtype)
        samples = values.astype(np.float32)
        if form.dtype == "u1":
            samples = (samples - 128) / 128
        elif form.dtype[1] == "i":
            samples /= 2.0 ** (8 * form.width - 1)
    mono: Waveform = samples.reshape(-1, form.channels).mean(axis=1, dtype=np.float32)
    return mono


def _u32(data: bytes, at: int) -> int:
    value: int = struct.unpack_from("<I", data, at)[0]
    return value


def sounds_random(y: Waveform) -> bool:
    """Whether samples look like compressed data or the wrong byte order: at full scale and without any shape.

    Music and speech at full scale hang together from one sample to the next; random bytes do not.
    """
    if len(y) < 2000:
        return False
    power = float(np.square(y, dtype=np.float64).mean())
    neighbours = float(np.mean(y[1:] * y[:-1], dtype=np.float64))
    return power > 0.2 and abs(neighbours) < 0.1 * power
