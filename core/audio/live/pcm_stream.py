"""Decoding sound from a pipe or socket: a WAV header and samples, or bare 16-bit samples at a stated rate."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.audio.conversion import HIGHEST_RATE, LOWEST_RATE, LiveDownmix, Waveform
from core.audio.files.chunks import RIFF, chunks, held
from core.audio.files.formats import SIGNATURES
from core.audio.files.pcm import FLOAT, PCM, WaveFormat
from core.audio.files.truncation import mpeg_frame_bytes
from core.util.errors import UserError

LONGEST_HEADER = 1 << 20
"""Most bytes before the samples of a WAV."""
PROBE_BYTES = 4096

CONTAINERS = {
    **SIGNATURES,
    b"ID3": "MP3",
    b"fLaC": "FLAC",
    b"OggS": "Ogg",
    b".snd": "Sun AU",
    b"FORM": "AIFF",
    b"RF64": "RF64",
    b"BW64": "RF64",
    b"riff\x2e\x91\xcf\x11": "Wave64",
    b"caff": "CAF",
    b"\x0bw": "AC-3",
}
"""First bytes → the kind of audio that begins with them."""
NOT_PLAYED = {
    b"PK\x03\x04": "a ZIP archive",
    b"\x1f\x8b": "gzip",
    b"RIFF": "RIFF, but not WAV",
    b"RIFX": "a big-endian WAV",
    b"\x89PNG": "a picture",
}
HINT = "send 16-bit samples or WAV, for instance from: ffmpeg -i INPUT -f wav -"


class StreamError(UserError):
    """The stream cannot be decoded as sound."""


class ContainerError(StreamError):
    """The stream is audio, but not plain samples; ``received`` is what has come so far."""

    def __init__(self, name: str, received: bytes) -> None:
        super().__init__(f"this is {name}, not samples; {HINT}")
        self.name, self.received = name, received


class _Format(NamedTuple):
    rate: int
    channels: int
    dtype: str
    width: int
    """Bytes per sample of one channel."""


class PcmDecoder:
    """Bytes in pieces of any size → mono samples. WAV is detected by its first bytes; all else is bare samples."""

    def __init__(self, rate: int) -> None:
        """Args:
        rate: of bare samples, in Hz.
        """
        self._format: _Format | None = None
        self._stated = _Format(rate, 1, "<i2", 2)
        self._held = b""
        self._downmix = LiveDownmix(rate)

    @property
    def rate(self) -> int | None:
        """In Hz; None until the format is known."""
        return self._format.rate if self._format else None

    @property
    def note(self) -> str | None:
        """See `Downmix.note`."""
        return self._downmix.note

    def push(self, data: bytes) -> Waveform:
        """Add the next bytes; returns the mono samples that they complete, (samples,).

        Raises:
            ContainerError: the bytes are compressed audio, or a WAV with compressed samples.
            StreamError: they are not sound; the message says what they seem to be.
        """
        self._held += data
        if self._format is None and not self._begin():
            return np.zeros(0, dtype=np.float32)
        assert self._format is not None
        block = self._format.width * self._format.channels
        whole = len(self._held) // block * block
        raw, self._held = self._held[:whole], self._held[whole:]
        samples_CN = _samples(raw, self._format)
        if not np.isfinite(samples_CN).all():
            raise StreamError(f"the samples are NaN or infinite; {HINT}")
        return self._downmix(samples_CN)

    def end(self) -> None:
        """Call this when no more bytes will come.

        Raises:
            StreamError: the bytes were not sound.
        """
        if self._format is None:
            seems = "text, not samples" if self._held and _is_text(self._held) else "too little to be sound"
            raise StreamError(f"this is {seems} ({len(self._held):,} bytes in all); {HINT}")

    def _begin(self) -> bool:
        """Whether the format is known and the held bytes begin with samples."""
        head = self._held
        if len(head) < 16:
            return False
        if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
            return self._read_wav_header()
        for magic, name in CONTAINERS.items():
            if head.startswith(magic):
                raise ContainerError(name, head)
        for magic, name in NOT_PLAYED.items():
            if head.startswith(magic):
                raise StreamError(f"this is {name}, not samples; {HINT}")
        if head[4:8] == b"ftyp":
            raise ContainerError("MP4", head)
        if (length := mpeg_frame_bytes(head)) is not None:
            if len(head) < length + 7 and len(head) < PROBE_BYTES:
                return False
            if mpeg_frame_bytes(head[length:]) is not None:  # two headers in a row are no coincidence
                raise ContainerError("AAC" if head[1] & 6 == 0 else "MP3", head)
        if _is_text(head[:PROBE_BYTES]):
            if len(head) < PROBE_BYTES:
                return False  # or an unusual sound: wait for more
            raise StreamError(f"this is text, not samples; {HINT}")
        self._format = self._stated
        return True

    def _read_wav_header(self) -> bool:
        form = b""
        for chunk in chunks(held(self._held), 12, RIFF):
            if chunk.name == b"data":
                self._format = self._wav_format(form)
                self._downmix = LiveDownmix(self._format.rate)
                # The length is ignored, because a program that writes to a pipe does not know it.
                self._held = self._held[chunk.offset :]
                return True
            if chunk.name == b"fmt ":
                form = self._held[chunk.offset : chunk.offset + min(chunk.size, 40)]
            if chunk.offset + chunk.size > LONGEST_HEADER:
                raise StreamError(f"the WAV header does not end; {HINT}")
        return False

    def _wav_format(self, form: bytes) -> _Format:
        found = WaveFormat.parse(form)
        if found is None:
            raise StreamError(f"the WAV header does not say what its samples are; {HINT}")
        kind = {
            (PCM, 8): "u1",
            (PCM, 16): "<i2",
            (PCM, 24): "i3",
            (PCM, 32): "<i4",
            (FLOAT, 32): "<f4",
            (FLOAT, 64): "<f8",
        }.get((found.code, found.bits))
        if not found.channels or not LOWEST_RATE <= found.rate <= HIGHEST_RATE:
            raise StreamError(f"a WAV of {found.channels} channels at {found.rate:,} Hz cannot be played")
        if kind is None:
            raise ContainerError(f"WAV of format {found.code} with {found.bits} bits per sample", self._held)
        return _Format(found.rate, found.channels, kind, found.bits // 8)


def _is_text(data: bytes) -> bool:
    return all(9 <= byte <= 126 for byte in data)


def _samples(raw: bytes, form: _Format) -> npt.NDArray[np.float32]:
    """Whole frames of samples → (C, N), full scale at 1."""
    if form.dtype == "i3":
        padded = np.zeros((len(raw) // 3, 4), dtype=np.uint8)
        padded[:, 1:] = np.frombuffer(raw, dtype=np.uint8).reshape(-1, 3)
        samples = padded.view("<i4")[:, 0].astype(np.float32) / np.float32(2.0**31)
    else:
        values = np.frombuffer(raw, dtype=form.dtype)
        samples = values.astype(np.float32)
        if form.dtype == "u1":
            samples = (samples - 128) / 128
        elif form.dtype[1] == "i":
            samples /= 2.0 ** (8 * form.width - 1)
    return samples.reshape(-1, form.channels).T


def sounds_random(y: Waveform) -> bool:
    """Whether samples look like compressed data or the wrong byte order: at full scale and uncorrelated.

    Adjacent samples of music and speech are correlated; those of random bytes are not.
    """
    if len(y) < 2000:
        return False
    power = float(np.square(y, dtype=np.float64).mean())
    neighbours = float(np.mean(y[1:] * y[:-1], dtype=np.float64))
    return power > 0.2 and abs(neighbours) < 0.1 * power
