"""One sound in every container and codec that can be made here, and ways to damage a file."""

import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from tests.support.sounds import encode

Sound = npt.NDArray[np.float32]
"""(samples, channels)."""
Writer = Callable[[Path, Sound, int], None]


def _sndfile(form: str, subtype: str, path: Path, y: Sound, rate: int) -> None:
    with soundfile.SoundFile(path, "w", rate, y.shape[1], format=form, subtype=subtype) as sound:
        for begin in range(0, len(y), rate):  # libsndfile's Vorbis encoder overflows its stack on long writes
            sound.write(y[begin : begin + rate])


def _av(
    codec: str,
    container_format: str | None,
    path: Path,
    y: Sound,
    rate: int,
    *,
    options: dict[str, str] | None = None,
    codec_options: dict[str, str] | None = None,
    bit_rate: int | None = None,
) -> None:
    encode(
        path,
        y,
        rate,
        codec=codec,
        container_format=container_format,
        container_options=options,
        codec_options=codec_options,
        bit_rate=bit_rate,
    )


def _dsf(path: Path, y: Sound, rate: int) -> None:
    """One bit per sample at 64 times 44,100 Hz: noise will do, for what counts is its length."""
    count = round(len(y) / rate * 2_822_400) // 32_768 * 32_768
    data = np.random.default_rng(0).bytes(count // 8 * y.shape[1])
    form = struct.pack("<4sQIIIIIIQII", b"fmt ", 52, 1, 0, y.shape[1], y.shape[1], 2_822_400, 1, count, 4096, 0)
    head = struct.pack("<4sQQQ", b"DSD ", 28, 28 + 52 + 12 + len(data), 0)
    path.write_bytes(head + form + struct.pack("<4sQ", b"data", 12 + len(data)) + data)


VARIANTS: dict[str, Writer] = {
    f"{form.lower()}_{subtype.lower()}.{suffix}": partial(_sndfile, form, subtype)
    for form, suffix, subtypes in (
        ("WAV", "wav", ("PCM_16", "PCM_24", "PCM_U8", "FLOAT", "ULAW", "IMA_ADPCM", "MS_ADPCM", "GSM610")),
        ("RF64", "wav", ("PCM_16", "PCM_24")),
        ("W64", "w64", ("PCM_16", "FLOAT", "IMA_ADPCM")),
        ("AIFF", "aiff", ("PCM_16", "PCM_24", "FLOAT", "ULAW", "IMA_ADPCM")),
        ("AU", "au", ("PCM_16", "PCM_24", "FLOAT", "ULAW")),
        ("CAF", "caf", ("PCM_16", "PCM_24", "ALAC_16")),
        ("FLAC", "flac", ("PCM_16",)),
        ("OGG", "ogg", ("VORBIS",)),
    )
    for subtype in subtypes
} | {
    "mp3_cbr.mp3": partial(_av, "libmp3lame", None, bit_rate=128_000),
    "mp3_vbr.mp3": partial(_av, "libmp3lame", None, codec_options={"global_quality": "472", "flags": "+qscale"}),
    "mp3_without_xing.mp3": partial(_av, "libmp3lame", None, bit_rate=128_000, options={"write_xing": "0"}),
    "mp2.mp2": partial(_av, "mp2", None, bit_rate=192_000),
    "aac.aac": partial(_av, "aac", "adts", bit_rate=128_000),
    "aac.m4a": partial(_av, "aac", "ipod", bit_rate=128_000),
    "aac_first.m4a": partial(_av, "aac", "ipod", bit_rate=128_000, options={"movflags": "+faststart"}),
    "aac_fragmented.m4a": partial(
        _av,
        "aac",
        "ipod",
        bit_rate=128_000,
        options={"movflags": "frag_keyframe+empty_moov", "frag_duration": "400000"},
    ),
    "alac.m4a": partial(_av, "alac", "ipod"),
    "opus.opus": partial(_av, "libopus", "opus", bit_rate=96_000),
    "flac.oga": partial(_av, "flac", "oga"),
    "wma.wma": partial(_av, "wmav2", "asf", bit_rate=128_000),
    "opus.webm": partial(_av, "libopus", "webm", bit_rate=96_000),
    "opus_live.webm": partial(_av, "libopus", "webm", bit_rate=96_000, options={"live": "1"}),
    "opus.mp4": partial(_av, "libopus", "mp4", bit_rate=96_000),
    "aac.mka": partial(_av, "aac", "matroska", bit_rate=128_000),
    "flac.mka": partial(_av, "flac", "matroska"),
    "ac3.ac3": partial(_av, "ac3", None, bit_rate=192_000),
    "eac3.eac3": partial(_av, "eac3", None, bit_rate=192_000),
    "wavpack.wv": partial(_av, "wavpack", None),
    "tta.tta": partial(_av, "tta", None),
    "alac.caf": partial(_av, "alac", "caf"),
    "mp3.wav": partial(_av, "libmp3lame", "wav", bit_rate=128_000),
    "ac3.wav": partial(_av, "ac3", "wav", bit_rate=192_000),
    "adpcm_yamaha.wav": partial(_av, "adpcm_yamaha", "wav"),
    "adpcm_ms.wav": partial(_av, "adpcm_ms", "wav"),
    "sowt.aiff": partial(_av, "pcm_s16le", "aiff"),
    "dsd.dsf": _dsf,
}
"""File name → what writes it."""
MONO_ONLY = {"wav_gsm610.wav", "w64_ima_adpcm.w64", "aiff_ima_adpcm.aiff", "wav_ima_adpcm.wav", "wav_ms_adpcm.wav"}


def sound_for(name: str, seconds: float, seed: int = 0) -> tuple[Sound, int]:
    """A rising tone over noise, at a rate and with channels that the format takes."""
    rate = 48_000 if "opus" in name else 44_100
    t = np.arange(round(seconds * rate)) / rate
    rng = np.random.default_rng(seed)
    channels = 1 if name in MONO_ONLY else 1 + seed % 2
    tone = 0.4 * np.sin(2 * np.pi * (200 + 40 * t) * t)
    return (tone[:, None] + rng.normal(0, 0.05, (len(t), channels))).astype(np.float32), rate


def make(folder: Path, name: str, seconds: float = 4.0, seed: int = 1) -> Path:
    """The file of that name in ``folder``, which has to be in ``VARIANTS``."""
    path = folder / name
    VARIANTS[name](path, *sound_for(name, seconds, seed))
    return path


def cut(content: bytes, rng: np.random.Generator) -> bytes:
    return content[: int(len(content) * rng.uniform(0.02, 0.98))]


def zeroed(content: bytes, rng: np.random.Generator) -> bytes:
    begin, end = _part(content, rng)
    return content[:begin] + bytes(end - begin) + content[end:]


def garbled(content: bytes, rng: np.random.Generator) -> bytes:
    begin, end = _part(content, rng)
    return content[:begin] + rng.bytes(end - begin) + content[end:]


def shortened(content: bytes, rng: np.random.Generator) -> bytes:
    begin, end = _part(content, rng)
    return content[:begin] + content[end:]


def lengthened(content: bytes, rng: np.random.Generator) -> bytes:
    begin, _ = _part(content, rng)
    return content[:begin] + rng.bytes(2000) + content[begin:]


def flipped(content: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(content)
    for place in rng.integers(0, len(content), 30):
        changed[place] ^= 1 << rng.integers(0, 8)
    return bytes(changed)


def header_flipped(content: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(content)
    for place in rng.integers(0, min(300, len(content)), 4):
        changed[place] = rng.integers(0, 256)
    return bytes(changed)


def _part(content: bytes, rng: np.random.Generator) -> tuple[int, int]:
    length = int(len(content) * rng.uniform(0.02, 0.3))
    begin = int(rng.integers(0, len(content) - length))
    return begin, begin + length


DAMAGES = {damage.__name__: damage for damage in (cut, zeroed, garbled, shortened, lengthened, flipped, header_flipped)}
LOSSY = tuple(name for name in DAMAGES if name != "header_flipped")
"""Damages after which what is missing has to be said; a changed header may promise less."""
BARE_FRAMES = ("mp3_without_xing.mp3", "mp2.mp2", "aac.aac", "ac3.ac3", "eac3.eac3", "opus_live.webm")
"""Files that do not say their length."""
