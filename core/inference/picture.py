"""A picture of a sound's spectrum along time, small whatever the sound's length."""

import numpy as np
import numpy.typing as npt

from core.features.torchaudio_import import torchaudio

BANDS = 96
COLUMNS = 400
"""A picture has at most twice as many columns, and as few again as soon as it has more."""
N_FFT = 2048
HOP_SECONDS = 0.0232
"""From one column to the next to begin with: 512 samples at 22,050 Hz."""
FLOOR_DB = 80.0
"""Below the loudest point of the whole picture."""


class Picture:
    """Mel energies of a sound that comes in blocks. Its columns grow further apart as the sound grows longer."""

    def __init__(self, rate: int) -> None:
        """``rate``: Hz."""
        self._window = np.hanning(N_FFT).astype(np.float32)
        self._hop = max(1, round(HOP_SECONDS * rate))
        self._next = 0
        """Where the next column begins, from the first sample that is held."""
        self._held: npt.NDArray[np.float32] = np.zeros(0, dtype=np.float32)
        self._columns: list[npt.NDArray[np.float32]] = []
        self._mel_FM = torchaudio.functional.melscale_fbanks(
            N_FFT // 2 + 1, 30.0, rate / 2, BANDS, rate, norm="slaney", mel_scale="slaney"
        ).numpy()

    def push(self, y: npt.NDArray[np.float32]) -> None:
        """The next samples of the sound, mono."""
        held = np.concatenate([self._held, y])
        while self._next + N_FFT <= len(held):
            spectrum_F = np.fft.rfft(held[self._next : self._next + N_FFT] * self._window)
            self._columns.append((np.abs(spectrum_F) ** 2).astype(np.float32) @ self._mel_FM)
            self._next += self._hop
            if len(self._columns) > 2 * COLUMNS:
                del self._columns[1::2]
                self._hop *= 2
        # A hop may reach beyond what there is; the rest of it is waited for.
        drop = min(self._next, len(held))
        self._held, self._next = held[drop:], self._next - drop

    def image(self) -> npt.NDArray[np.uint8]:
        """[bands, columns], low bands first; 0 is `FLOOR_DB` or more below the loudest point, 255 is that point."""
        if not self._columns:
            return np.zeros((BANDS, 1), dtype=np.uint8)
        power_MT = np.stack(self._columns, axis=1)
        decibels_MT = 10 * np.log10(np.maximum(power_MT / max(float(power_MT.max()), 1e-20), 10 ** (-FLOOR_DB / 10)))
        image: npt.NDArray[np.uint8] = np.round((decibels_MT + FLOOR_DB) * (255 / FLOOR_DB)).astype(np.uint8)
        return image
