"""Spectra for the eye."""

import numpy as np
import pytest

from core.features.display_spectrogram import LIVE_BANDS, LiveSpectrum, Spectrum

RATE = 22_050


def sine(frequency: float, seconds: float, rate: int = RATE) -> np.ndarray:
    return np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate).astype(np.float32)


def test_a_sine_at_full_scale_is_0_db_in_its_own_band() -> None:
    spectrum = Spectrum(RATE)
    low, high = (spectrum.decibels(sine(f, 1)[None, : spectrum.samples])[0] for f in (200, 4000))
    assert low.max() == pytest.approx(0, abs=1.5)
    assert 0 <= low.argmax() < high.argmax() < LIVE_BANDS


@pytest.mark.parametrize("size", [100, 4410, 100_000])
def test_live_columns_do_not_depend_on_the_pieces(size: int) -> None:
    y = sine(300, 3) * np.linspace(0, 1, 3 * RATE, dtype=np.float32)
    whole = LiveSpectrum(RATE, 20).push(y)
    live = LiveSpectrum(RATE, 20)
    pieces = np.concatenate([live.push(y[start : start + size]) for start in range(0, len(y), size)])
    assert len(whole) == 60
    assert np.array_equal(pieces, whole)
