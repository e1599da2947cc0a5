"""Sound through a pipe: WAV headers of all kinds, bare samples, and what is neither."""

import io
import itertools
import os
import struct

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from core.audio.live.pcm_stream import PcmDecoder, StreamError, sounds_random

RATE = 22_050
TONE = (0.5 * np.sin(2 * np.pi * 440 * np.arange(3000) / RATE)).astype(np.float32)


def wav(subtype: str, *, channels: int = 1, fmt: str = "WAV") -> bytes:
    out = io.BytesIO()
    soundfile.write(out, np.tile(TONE[:, None], channels), RATE, subtype=subtype, format=fmt)
    return out.getvalue()


@pytest.mark.parametrize("fmt", ["WAV", "WAVEX"])
@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_wav_of_every_width(subtype: str, channels: int, fmt: str) -> None:
    decoder = PcmDecoder(8000)
    y = decoder.push(wav(subtype, channels=channels, fmt=fmt))
    assert decoder.rate == RATE
    assert np.abs(y[: len(TONE)] - TONE).max() < (0.01 if subtype == "PCM_U8" else 1e-3)


PIPED = wav("PCM_16", channels=2)


@settings(max_examples=40)
@given(cuts=st.lists(st.integers(1, len(PIPED) - 1), max_size=20))
def test_pieces_of_any_size_give_the_same_samples(cuts: list[int]) -> None:
    decoder, edges = PcmDecoder(8000), [0, *sorted(cuts), len(PIPED)]
    parts = [decoder.push(PIPED[a:b]) for a, b in itertools.pairwise(edges)]
    assert np.array_equal(np.concatenate(parts), PcmDecoder(8000).push(PIPED))


def test_a_chunk_without_its_padding_is_read_in_pieces_too() -> None:
    unpadded = PIPED[:12] + struct.pack("<4sI", b"NOTE", 5) + b"hello" + PIPED[12:]
    decoder = PcmDecoder(8000)
    parts = [decoder.push(unpadded[at : at + 1]) for at in range(100)] + [decoder.push(unpadded[100:])]
    assert np.array_equal(np.concatenate(parts), PcmDecoder(8000).push(PIPED))


@pytest.mark.parametrize("length", [0, 0xFFFFFFFF, 0x7FFFFFFF])
def test_the_length_in_the_header_is_nothing_to_go_by(length: int) -> None:
    piped = bytearray(wav("PCM_16"))
    struct.pack_into("<I", piped, piped.index(b"data") + 4, length)
    assert len(PcmDecoder(8000).push(bytes(piped))) == len(TONE)


def test_bare_samples_are_at_the_stated_rate() -> None:
    decoder = PcmDecoder(16_000)
    y = decoder.push((TONE * 32767).astype("<i2").tobytes())
    assert decoder.rate == 16_000
    assert np.abs(y - TONE).max() < 1e-3


def test_bare_silence_is_sound() -> None:
    assert len(PcmDecoder(16_000).push(bytes(10_000))) == 5000


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"ID3\x04" + bytes(20), "MP3"),
        ((b"\xff\xfb\x90\x64" + bytes(413)) * 2, "MP3"),
        (b"fLaC" + bytes(20), "FLAC"),
        (b"OggS" + bytes(20), "Ogg"),
        (b"\x00\x00\x00\x20ftypM4A " + bytes(20), "MP4"),
        (b".snd" + bytes(20), "Sun AU"),
        (b"no sound at all, but a letter\n" * 200, "text"),
        (b"RIFF\x00\x00\x00\x00WAVEjunk\xff\xff\xff\x7f", "does not end"),
        (wav("ULAW"), "format 7"),
        (wav("PCM_16").replace(struct.pack("<I", RATE), struct.pack("<I", 1), 1), "1 Hz"),
        (wav("FLOAT").replace(struct.pack("<f", float(TONE[10])), struct.pack("<f", float("nan"))), "NaN or infinite"),
    ],
    # The sound itself is no name: a float WAV holds the time it was written.
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_samples_is_named(data: bytes, said: str) -> None:
    with pytest.raises(StreamError, match=said):
        PcmDecoder(RATE).push(data)


def test_random_bytes_are_noticed_and_music_is_not() -> None:
    random = PcmDecoder(RATE).push(os.urandom(20_000))
    assert sounds_random(random)
    swapped = (TONE * 20_000).astype(">i2").tobytes()
    assert sounds_random(PcmDecoder(RATE).push(swapped))
    assert not sounds_random(TONE * 2)
    assert not sounds_random(np.clip(np.random.default_rng(0).standard_normal(5000), -1, 1).astype(np.float32) * 0.3)
