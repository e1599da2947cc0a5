"""Spectra for the eye."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from core.audio.errors import AudioError
from core.audio.spectrum import BANDS, LiveSpectrum, Spectrum, picture

RATE = 22_050


def sine(frequency: float, seconds: float, rate: int = RATE) -> np.ndarray:
    return np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate).astype(np.float32)


def test_a_sine_at_full_scale_is_0_db_in_its_own_band() -> None:
    spectrum = Spectrum(RATE)
    low, high = (spectrum.decibels(sine(f, 1)[None, : spectrum.samples])[0] for f in (200, 4000))
    assert low.max() == pytest.approx(0, abs=1.5)
    assert 0 <= low.argmax() < high.argmax() < BANDS


@pytest.mark.parametrize("size", [100, 4410, 100_000])
def test_live_columns_do_not_depend_on_the_pieces(size: int) -> None:
    y = sine(300, 3) * np.linspace(0, 1, 3 * RATE, dtype=np.float32)
    whole = LiveSpectrum(RATE, 20).push(y)
    live = LiveSpectrum(RATE, 20)
    pieces = np.concatenate([live.push(y[start : start + size]) for start in range(0, len(y), size)])
    assert len(whole) == 60
    assert np.array_equal(pieces, whole)


def test_a_file_in_the_width_that_was_asked_for(tmp_path: Path) -> None:
    y = np.concatenate([sine(200, 15), sine(4000, 15)])
    soundfile.write(tmp_path / "two.wav", y, RATE)
    drawn = picture(tmp_path / "two.wav", 100)
    assert drawn.shape == (100, BANDS)
    assert drawn.max() == 255
    loudest = drawn.argmax(axis=1)
    assert loudest[10] == loudest[40] < loudest[60] == loudest[90]


def test_short_and_unreadable_files(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "short.wav", sine(200, 0.01), RATE)
    assert picture(tmp_path / "short.wav", 100).shape == (0, BANDS)
    with pytest.raises(AudioError):
        picture(tmp_path / "gone.wav", 100)
