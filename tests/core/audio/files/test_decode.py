"""Every format, read whole, in part, and block by block."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from core.audio.files import ffmpeg
from core.audio.files.decode import decode, decode_pcm16, stream
from core.audio.files.probe import probe
from tests.support.sounds import SNDFILE_SUFFIXES, SUFFIXES, sweep, wav_header, write

LOSSY = {".mp3", ".m4a", ".aac", ".opus", ".wma", ".ogg"}


def rate_for(suffix: str) -> int:
    return 48_000 if suffix == ".opus" else 44_100


def similarity(a: np.ndarray, b: np.ndarray) -> float:
    n = min(len(a), len(b))
    return float(np.corrcoef(a[:n], b[:n])[0, 1])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_of_each_format_comes_out_as_it_went_in(suffix: str, tmp_path: Path) -> None:
    rate = rate_for(suffix)
    y = sweep(8, rate)
    path = write(tmp_path / f"x{suffix}", y, rate)
    decoded, decoded_rate = decode(path)
    assert (decoded_rate, decoded.dtype, decoded.ndim) == (rate, np.dtype(np.float32), 1)
    assert len(decoded) / rate == pytest.approx(8, abs=0.06)
    # These two cannot say how many samples their encoder has put before the sound.
    shift = {".aac": 1024, ".wma": -2048}.get(suffix, 0)
    assert similarity(decoded[rate + shift :], y[rate:]) > (0.97 if suffix in LOSSY else 0.9999)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_header_says_what_the_decoder_finds(suffix: str, tmp_path: Path) -> None:
    rate = rate_for(suffix)
    path = write(tmp_path / f"x{suffix}", np.stack([sweep(3, rate)] * 2, axis=1), rate)
    info = probe(path)
    assert (info.format, info.rate, info.channels) == (suffix[1:], rate, 2)
    assert info.duration_s == pytest.approx(3, rel=0.15 if suffix == ".aac" else 0.02)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_part_is_the_same_samples_as_in_the_whole(suffix: str, tmp_path: Path) -> None:
    rate = rate_for(suffix)
    path = write(tmp_path / f"x{suffix}", sweep(20, rate), rate)
    whole, _ = decode(path)
    part, _ = decode(path, start=11.3, duration=2.5)
    assert len(part) == round(2.5 * rate)
    first = round(11.3 * rate)
    lag = 48 if suffix == ".wma" else 0  # WMA's time stamps are whole milliseconds
    assert max(similarity(part, whole[first + k :]) for k in range(-lag, lag + 1)) > 0.99


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_part_from_the_middle_is_not_decoded_from_the_beginning(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An hour would be long to make: of one minute, three seconds are decoded."""
    rate = 48_000 if suffix == ".opus" else 22_050
    minute = np.tile(sweep(10, rate), 6)
    path = write(tmp_path / f"x{suffix}", minute, rate)
    decoded = 0
    channels, read = ffmpeg._channels, soundfile.SoundFile.read

    def counted_channels(frame: object) -> np.ndarray:
        nonlocal decoded
        decoded += frame.samples  # type: ignore[attr-defined]
        return channels(frame)

    def counted_read(self: object, frames: int, **options: object) -> Any:
        nonlocal decoded
        decoded += frames
        return read(self, frames, **options)

    monkeypatch.setattr(ffmpeg, "_channels", counted_channels)
    monkeypatch.setattr(soundfile.SoundFile, "read", counted_read)
    y, _ = decode(path, start=40, duration=3)
    assert len(y) == 3 * rate
    assert decoded <= 4.5 * rate


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_blocks_are_the_whole(suffix: str, tmp_path: Path) -> None:
    rate = rate_for(suffix)
    path = write(tmp_path / f"x{suffix}", sweep(7, rate), rate)
    blocks = list(stream(path, block_seconds=2))
    assert [len(y) for y, _ in blocks[:3]] == [2 * rate] * 3
    assert len(blocks) == 4
    np.testing.assert_array_equal(np.concatenate([y for y, _ in blocks]), decode(path)[0])


def test_a_stream_holds_one_block_at_a_time(tmp_path: Path) -> None:
    """Hours of silence that take no room on disk: 16-bit, and 32-bit through libsndfile."""
    import tracemalloc

    seconds, rate = 3600, 22_050
    for bits in (16, 32):
        path = tmp_path / f"{bits}.wav"
        size = seconds * rate * bits // 8
        path.write_bytes(wav_header(size=size, rate=rate, bits=bits))
        with path.open("r+b") as file:
            file.truncate(44 + size)
        tracemalloc.start()
        total = sum(len(y) for y, _ in stream(path, block_seconds=10))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert total == seconds * rate
        assert peak < 40e6  # the hour is 318 MB of float32


def test_variable_rate_mp3_without_a_table_is_read_whole(tmp_path: Path) -> None:
    """libsndfile stops half-way through this file."""
    rate = 44_100
    noise = np.random.default_rng(0).normal(0, 0.2, 40 * rate).astype(np.float32)
    noise[: 20 * rate] *= 1e-4
    variable = {"global_quality": str(2 * 118), "flags": "+qscale"}
    path = write(tmp_path / "x.mp3", noise, rate, container_options={"write_xing": "0"}, codec_options=variable)
    assert b"Xing" not in path.read_bytes()[:4096]
    assert len(decode(path)[0]) / rate == pytest.approx(40, abs=0.1)


@pytest.mark.parametrize("suffix", [".au", ".wav", ".aiff"])
def test_sixteen_bits_are_read_as_they_are(suffix: str, tmp_path: Path) -> None:
    y = sweep(3, 22_050)
    path = write(tmp_path / f"x{suffix}", y, 22_050, subtype="PCM_16")
    samples, rate = decode_pcm16(path) or pytest.fail("not taken for 16-bit")
    assert (samples.dtype, samples.dtype.isnative, rate) == (np.dtype(np.int16), True, 22_050)
    np.testing.assert_array_equal(samples.astype(np.float32) / 32768, decode(path)[0])
    assert np.abs(samples / 32768 - y).max() <= 1 / 32768
    short, _ = decode_pcm16(path, duration=0.5) or pytest.fail("not taken for 16-bit")
    np.testing.assert_array_equal(short, samples[:11_025])


def test_other_samples_are_not_taken_for_sixteen_bits(tmp_path: Path) -> None:
    y = sweep(1, 22_050)
    others = [
        write(tmp_path / "float.wav", y, 22_050, subtype="FLOAT"),
        write(tmp_path / "24.au", y, 22_050, subtype="PCM_24"),
        write(tmp_path / "stereo.wav", np.stack([y, y], axis=1), 22_050),
        write(tmp_path / "x.flac", y, 22_050),
    ]
    assert [decode_pcm16(path) for path in others] == [None] * 4


@pytest.mark.parametrize("suffix", SNDFILE_SUFFIXES)
def test_content_decides_and_not_the_name(suffix: str, tmp_path: Path) -> None:
    mp3 = write(tmp_path / "x.mp3", sweep(2, 44_100), 44_100)
    disguised = mp3.rename(tmp_path / f"x{suffix}")
    assert probe(disguised).format == "mp3"
    assert len(decode(disguised)[0]) / 44_100 == pytest.approx(2, abs=0.06)


def test_channels_are_averaged(tmp_path: Path) -> None:
    left, right = sweep(1, 22_050), np.zeros(22_050, dtype=np.float32)
    for suffix, tolerance in ((".wav", 1e-4), (".m4a", 0.05)):
        path = write(tmp_path / f"x{suffix}", np.stack([left, right], axis=1), 22_050)
        y, _ = decode(path)
        assert np.abs(y[2000:20_000] - left[2000:20_000] / 2).mean() < tolerance


def test_plain_samples_need_no_decoders_library(tmp_path: Path) -> None:
    """Loading them is a tenth of a second in which one who waits for one file's genre waits for nothing."""
    path = write(tmp_path / "sound.au", sweep(1.0, 22_050), 22_050)
    program = f"""
import sys
from core.audio.files.decode import decode
assert len(decode({str(path)!r})[0]) == 22050
assert not {{"av", "soundfile"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True)
