"""Mixing and resampling. Channels that cancel are not mixed; others are, whatever their levels."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from core.audio.conversion import Downmix, resample
from core.audio.files.decode import AudioReader, decode
from core.audio.files.open_file import open_file
from core.dataset.store.extract import can_resample_on_device, resample_on_device
from tests.support.sounds import sweep, write

RATE = 22_050


def warning(path: Path) -> str | None:
    with open_file(path) as file:
        reader = AudioReader(path, file)
        for _ in reader.blocks():
            pass
        return reader.warning


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".aiff", ".mp3", ".m4a"])
@pytest.mark.parametrize(("factor", "used"), [(-1.0, "left"), (-1.1, "right")])
def test_the_louder_of_two_that_cancel_is_used_and_said(suffix: str, factor: float, used: str, tmp_path: Path) -> None:
    y = sweep(3, RATE) * np.float32(0.8)
    path = write(tmp_path / f"x{suffix}", np.stack([y, factor * y], axis=1).astype(np.float32), RATE)
    decoded = decode(path)[0][1000 : 2 * RATE]
    assert decoded.std() == pytest.approx(max(1, abs(factor)) * y[1000 : 2 * RATE].std(), rel=0.1)
    assert "channels cancel" in (warning(path) or "")
    if factor != -1.0 or suffix in (".wav", ".flac", ".aiff"):
        assert used in (warning(path) or "")


@pytest.mark.parametrize("right", [0.0, 1.0, 0.05, -0.5])
def test_other_channels_are_mixed(right: float, tmp_path: Path) -> None:
    y = sweep(2, RATE)
    path = tmp_path / "x.wav"
    soundfile.write(path, np.stack([y, right * y], axis=1), RATE, subtype="FLOAT")
    np.testing.assert_allclose(decode(path)[0], y * (1 + right) / 2, atol=1e-6)
    assert warning(path) is None


def test_one_loud_channel_of_thirty_two_is_not_cancelled() -> None:
    block_CN = np.zeros((32, 1000), dtype=np.float32)
    block_CN[3] = sweep(1, 1000)
    downmix = Downmix()
    np.testing.assert_allclose(downmix(block_CN) * 32, block_CN[3], rtol=1e-5)
    assert downmix.note is None


def test_the_decision_does_not_change_within_a_file(tmp_path: Path) -> None:
    """Half a minute of silence says nothing; the first sound cancels, and what follows it does not."""
    y = sweep(25, RATE)
    silence = np.zeros((31 * RATE, 2), dtype=np.float32)
    path = tmp_path / "x.flac"
    soundfile.write(path, np.concatenate([silence, np.stack([y, -y], axis=1), np.stack([y, y * 0.5], axis=1)]), RATE)
    decoded = decode(path)[0]
    assert np.abs(decoded[31 * RATE : 56 * RATE] - y).max() < 1e-3
    assert np.abs(decoded[56 * RATE :] - y).max() < 1e-3
    assert "left" in (warning(path) or "")


def tone(frequency: float, seconds: float, rate: int) -> np.ndarray:
    return np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate).astype(np.float32)


@pytest.mark.parametrize("rate", [8000, 11_025, 44_100, 44_101, 48_000, 96_000, 384_000])
def test_a_tone_keeps_its_pitch_level_and_length(rate: int) -> None:
    y = resample(tone(440, 1, rate), rate, 22_050)
    assert y.dtype == np.float32
    assert len(y) == pytest.approx(22_050, abs=1)
    n = min(len(y), 22_050)
    assert np.abs(y[1000 : n - 1000] - tone(440, 1, 22_050)[1000 : n - 1000]).max() < 0.01


def test_one_sample_a_second_can_be_resampled() -> None:
    y = resample(np.linspace(-1, 1, 30, dtype=np.float32), 1, 22_050)
    assert len(y) == pytest.approx(30 * 22_050, rel=0.01)
    assert np.isfinite(y).all()


@pytest.mark.parametrize("rate", [44_100, 48_000, 32_000])
def test_a_device_resamples_like_the_cpu(rate: int) -> None:
    y = sweep(2, rate)
    there = resample_on_device(torch.from_numpy(y), rate, 22_050).numpy()
    here = resample(y, rate, 22_050)
    n = min(len(here), len(there)) - 500
    difference = here[500:n] - there[500:n]
    assert np.sqrt((difference**2).mean()) < 0.01 * np.sqrt((here**2).mean())


def test_awkward_ratios_stay_off_the_device() -> None:
    assert can_resample_on_device(48_000, 22_050)
    assert can_resample_on_device(96_000, 22_050)
    assert not can_resample_on_device(44_101, 22_050)
    assert not can_resample_on_device(1_000_003, 22_050)
