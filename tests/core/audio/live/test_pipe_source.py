"""Standard input: every kind of audio is decoded or refused by its name, never played as raw samples."""

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile

from core.audio.live.pcm_stream import StreamError
from core.audio.live.pipe_source import PipeSource
from core.audio.live.source import EndOfSound, State
from tests.support.recordings import tone, write_sound

RATE = 44_100
SECONDS = 1.0


@contextmanager
def piped(data: bytes) -> Iterator[PipeSource]:
    """A source whose sender writes in a thread, as another process would."""
    out, into = os.pipe()

    def send() -> None:
        with os.fdopen(into, "wb", buffering=0) as pipe:
            rest = memoryview(data)
            while rest:
                try:
                    rest = rest[pipe.write(rest) :]
                except BrokenPipeError:
                    return

    sender = threading.Thread(target=send)
    sender.start()
    source = PipeSource(out, 8000)
    try:
        yield source
    finally:
        source.close()
        os.close(out)
        sender.join()


def read_all(source: PipeSource) -> tuple[np.ndarray, int]:
    parts: list[np.ndarray] = []
    rate = 0
    try:
        while True:
            if (chunk := source.read(5)) is not None:
                assert chunk.begins == (not parts)
                parts.append(chunk.samples)
                rate = chunk.rate
    except EndOfSound:
        return np.concatenate(parts), rate


def frequency(y: np.ndarray, rate: int) -> float:
    return float(np.abs(np.fft.rfft(y)).argmax() * rate / len(y))


def sound(path: Path, fmt: str, subtype: str = "PCM_16") -> bytes:
    y = np.stack([tone(SECONDS, RATE)] * 2, axis=1)
    soundfile.write(path, y, RATE, format=fmt, subtype=subtype)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("fmt", "subtype", "name"),
    [
        ("WAV", "PCM_16", ""),
        ("RF64", "PCM_16", "RF64"),
        ("W64", "PCM_16", "Wave64"),
        ("AIFF", "PCM_16", "AIFF"),
        ("AU", "PCM_16", "Sun AU"),
        ("FLAC", "PCM_16", "FLAC"),
        ("OGG", "VORBIS", "Ogg"),
        ("MP3", "MPEG_LAYER_III", "MP3"),
        ("WAV", "ULAW", "WAV of format 7"),
        ("WAV", "IMA_ADPCM", "WAV of format 17"),
    ],
)
def test_every_container_is_decoded(fmt: str, subtype: str, name: str, tmp_path: Path) -> None:
    data = sound(tmp_path / "x", fmt, subtype)
    with piped(data) as source:
        y, rate = read_all(source)
        assert source.condition.state is State.RECEIVING
        assert name in source.condition.text
    assert rate == RATE
    assert abs(len(y) / RATE - SECONDS) < 0.1
    assert abs(frequency(y, RATE) - 440) < 2
    assert np.abs(y).max() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("suffix", [".mp3", ".aac", ".opus", ".wma"])
def test_what_ffmpeg_writes_is_decoded(suffix: str, tmp_path: Path) -> None:
    rate = 48_000 if suffix == ".opus" else RATE
    data = write_sound(tmp_path / f"sound{suffix}", tone(SECONDS, rate), rate).read_bytes()
    with piped(data) as source:
        y, found = read_all(source)
    assert found == rate
    assert abs(frequency(y, rate) - 440) < 2


def test_an_mp3_without_a_tag_is_known_by_its_frames(tmp_path: Path) -> None:
    data = write_sound(tmp_path / "sound.mp3", tone(SECONDS, RATE), RATE).read_bytes()
    bare = data[10 + sum(byte << shift for byte, shift in zip(data[6:10], (21, 14, 7, 0), strict=True)) :]
    assert bare[0] == 0xFF
    with piped(bare) as source:
        y, rate = read_all(source)
        assert "MP3" in source.condition.text
    assert abs(frequency(y, rate) - 440) < 2


def test_samples_that_begin_like_an_mpeg_frame_are_samples() -> None:
    y = (tone(SECONDS, 8000) * 32767).astype("<i2")
    y[:4] = np.frombuffer(b"\xff\xfb\x90\x00\0\0\0\0", dtype="<i2")
    with piped(y.tobytes()) as source:
        y_read, rate = read_all(source)
    assert (len(y_read), rate) == (len(y), 8000)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"fLaC" + bytes(5000), "this FLAC stream"),
        (b"OggS" + os.urandom(5000), "this Ogg stream"),
        (b"PK\x03\x04" + bytes(5000), "this is a ZIP archive"),
        (b"RIFX\0\0\0\0WAVEfmt " + bytes(5000), "this is a big-endian WAV"),
        (b"RIFF\0\0\0\0AVI LIST" + bytes(5000), "this is RIFF, but not WAV"),
    ],
    ids=["FLAC", "Ogg", "ZIP", "RIFX", "AVI"],
)
def test_what_cannot_be_decoded_is_refused_by_its_name(data: bytes, said: str) -> None:
    with piped(data) as source, pytest.raises(StreamError, match=said):
        read_all(source)


@pytest.mark.parametrize("suffix", [".m4a", ".caf"])
def test_what_needs_a_way_back_is_decoded_or_refused_by_its_name(suffix: str, tmp_path: Path) -> None:
    path = write_sound(tmp_path / f"sound{suffix}", tone(SECONDS, RATE), RATE)
    with piped(path.read_bytes()) as source:
        try:
            y, rate = read_all(source)
        except StreamError as error:
            assert re.match("this (MP4|CAF) stream cannot be decoded from a pipe", str(error))
        else:
            assert abs(frequency(y, rate) - 440) < 2


def test_channels_that_cancel_are_not_mixed(tmp_path: Path) -> None:
    y = tone(SECONDS, RATE)
    soundfile.write(tmp_path / "sound.wav", np.stack([y, -y], axis=1), RATE)
    with piped((tmp_path / "sound.wav").read_bytes()) as source:
        y_read, _ = read_all(source)
        assert "channels cancel" in source.condition.text
    assert np.abs(y_read).max() == pytest.approx(0.5, abs=0.05)


def test_a_listener_that_stops_in_the_middle_leaves_no_thread(tmp_path: Path) -> None:
    data = write_sound(tmp_path / "sound.mp3", tone(30, RATE), RATE).read_bytes()
    with piped(data) as source:
        while source.read(5) is None:
            pass
        [thread] = [thread for thread in threading.enumerate() if thread.name == "container stream"]
    thread.join(10)
    assert not thread.is_alive()
