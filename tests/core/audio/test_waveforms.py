"""Resampling of waveforms."""

import numpy as np
import pytest
import torch

from core.audio.conversion import resample
from core.dataset.store.extract import can_resample_on_device, resample_on_device
from tests.support.sounds import sweep


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
