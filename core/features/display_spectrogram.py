"""Spectrograms for display: columns of live sound at a constant rate, and the image of a whole file."""

import numpy as np
import numpy.typing as npt
import torch

from core.features.log_mel import hz_to_mel, mel_filterbank, mel_to_hz

Waveform = npt.NDArray[np.float32]
Columns = npt.NDArray[np.uint8]
LIVE_BANDS = 64
LOWEST_HZ, HIGHEST_HZ = 30.0, 11_000.0
RANGE_DB = 80.0
"""Level below full scale that is drawn darkest."""
WINDOW = 4096
"""Samples per transform at 44.1 kHz; scaled with the rate, so that low bands are resolved."""
BANDS = 96
COLUMNS = 400
"""Fewest columns of the image of a long file; when it reaches twice this number, pairs are merged."""
N_FFT = 2048
HOP_SECONDS = 0.0232
"""Initial time between columns: 512 samples at 22,050 Hz."""
FLOOR_DB = 80.0
"""Level below the maximum of the image that is drawn darkest."""


class Spectrum:
    """Levels of bands that are equally wide on the mel scale: the loudest frequency in each."""

    def __init__(self, rate: int) -> None:
        self.rate, self.bands = rate, LIVE_BANDS
        self.samples = 1 << round(np.log2(WINDOW * rate / 44_100))
        """Samples per column."""
        self._window = np.hanning(self.samples).astype(np.float32)
        lowest, highest = hz_to_mel(torch.tensor([LOWEST_HZ, min(HIGHEST_HZ, rate / 2)], dtype=torch.float64), "htk")
        edges = mel_to_hz(
            torch.linspace(float(lowest), float(highest), LIVE_BANDS + 1, dtype=torch.float64), "htk"
        ).numpy()
        first = np.floor(edges[:-1] * self.samples / rate).astype(int)
        last = np.maximum(first + 1, np.ceil(edges[1:] * self.samples / rate).astype(int))
        self.hz = [round(hz) for hz in edges[:-1].tolist()]
        """Where each band begins."""
        self._slices = [slice(a, b) for a, b in zip(first, last, strict=True)]

    def decibels(self, frames_FN: Waveform) -> npt.NDArray[np.float32]:
        """Frames (F, samples) → (F, bands) in dB, low bands first; a sine at full scale is 0."""
        amplitude = np.abs(np.fft.rfft(frames_FN * self._window)) * (2 / self._window.sum())
        levels = np.stack([amplitude[:, part].max(axis=1) for part in self._slices], axis=1)
        decibels: npt.NDArray[np.float32] = (20 * np.log10(np.maximum(levels, 1e-7))).astype(np.float32)
        return decibels


class LiveSpectrum:
    """Columns at a constant rate from sound that arrives in pieces."""

    def __init__(self, rate: int, columns_per_second: float) -> None:
        self._spectrum = Spectrum(rate)
        self._hop = max(1, round(rate / columns_per_second))
        self._held = np.zeros(self._spectrum.samples, dtype=np.float32)
        self._due = self._hop

    @property
    def hz(self) -> list[int]:
        """Where each band begins."""
        return self._spectrum.hz

    def push(self, y: Waveform) -> Columns:
        """(samples,) → the new columns, (C, bands): 0 is 80 dB below full scale, 255 is full scale."""
        held = np.concatenate([self._held, y])
        ends = np.arange(len(self._held) + self._due, len(held) + 1, self._hop)
        frames = np.stack([held[end - self._spectrum.samples : end] for end in ends]) if len(ends) else None
        self._due = self._due + self._hop * len(ends) - len(y)
        self._held = held[-self._spectrum.samples - self._hop :]
        if frames is None:
            return np.zeros((0, self._spectrum.bands), dtype=np.uint8)
        return _codes(self._spectrum.decibels(frames))


def _codes(decibels: npt.NDArray[np.float32]) -> Columns:
    as_bytes: Columns = np.clip((decibels + RANGE_DB) * (255 / RANGE_DB), 0, 255).astype(np.uint8)
    return as_bytes


class Picture:
    """Mel energies of a sound that arrives in blocks. The time between columns grows with the length of the sound."""

    def __init__(self, rate: int) -> None:
        """
        Args:
            rate: sample rate of the sound in Hz.
        """
        self._rate = rate
        self._window = np.hanning(N_FFT).astype(np.float32)
        self._hop = max(1, round(HOP_SECONDS * rate))
        self._next = 0
        """Start of the next column, relative to the first buffered sample."""
        self._held: npt.NDArray[np.float32] = np.zeros(0, dtype=np.float32)
        self._columns: list[npt.NDArray[np.float32]] = []
        self._mel_FM = mel_filterbank(N_FFT, BANDS, rate, scale="slaney", norm="slaney", lowest_hz=LOWEST_HZ).numpy()

    @property
    def hz(self) -> list[float]:
        """The centre frequency of each band, low to high."""
        lowest, highest = hz_to_mel(torch.tensor([LOWEST_HZ, self._rate / 2], dtype=torch.float64), "slaney").tolist()
        edges = torch.linspace(lowest, highest, BANDS + 2, dtype=torch.float64)
        return [round(hz, 1) for hz in mel_to_hz(edges[1:-1], "slaney").tolist()]

    def push(self, y: npt.NDArray[np.float32]) -> None:
        """Add the next samples, mono."""
        held = np.concatenate([self._held, y])
        while self._next + N_FFT <= len(held):
            spectrum_F = np.fft.rfft(held[self._next : self._next + N_FFT] * self._window)
            self._columns.append((np.abs(spectrum_F) ** 2).astype(np.float32) @ self._mel_FM)
            self._next += self._hop
            if len(self._columns) > 2 * COLUMNS:
                del self._columns[1::2]
                self._hop *= 2
        # A hop may extend beyond the buffered samples; the rest of it is skipped when it arrives.
        drop = min(self._next, len(held))
        self._held, self._next = held[drop:], self._next - drop

    def image(self) -> npt.NDArray[np.uint8]:
        """[bands, columns], low bands first; 255 is the maximum, and 0 is `FLOOR_DB` or more below it."""
        if not self._columns:
            return np.zeros((BANDS, 1), dtype=np.uint8)
        power_MT = np.stack(self._columns, axis=1)
        decibels_MT = 10 * np.log10(np.maximum(power_MT / max(float(power_MT.max()), 1e-20), 10 ** (-FLOOR_DB / 10)))
        image: npt.NDArray[np.uint8] = np.round((decibels_MT + FLOOR_DB) * (255 / FLOOR_DB)).astype(np.uint8)
        return image
