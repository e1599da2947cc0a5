"""The window statistics: what their definitions say, whatever the order in which they are computed."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
import torch

from core.models.networks.window_statistics import SHORTEST, WindowStatistics
from core.util.errors import UserError

Values = npt.NDArray[np.float64]


def windows(n_mels: int, frames: int) -> torch.Tensor:
    """(3, n_mels, frames) in dB: noise, slow movement, and a window that is silent but for its first frames."""
    generator = torch.Generator().manual_seed(frames)
    noise = torch.randn(3, n_mels, frames, generator=generator)
    noise[1] = noise[1].cumsum(1) / 4
    noise[2, :, 3:] = -100
    return (12 * noise - 40).clamp(-80, 0)


@pytest.mark.parametrize("n_mels", [8, 11, 40, 128])
@pytest.mark.parametrize("frames", [1, 16, 39, 48, 129])
def test_they_are_what_their_definitions_say(n_mels: int, frames: int) -> None:
    mel = windows(n_mels, frames)
    measured = WindowStatistics(n_mels)(mel).double().numpy()
    defined = np.stack([by_definition(window.double().numpy()) for window in mel])
    assert measured.shape == defined.shape
    np.testing.assert_allclose(measured, defined, rtol=1e-3, atol=1e-3)


def test_a_window_is_the_same_alone_and_in_a_batch() -> None:
    statistics, mel = WindowStatistics(128), windows(128, 39)
    alone = torch.cat([statistics(window[None]) for window in mel])
    torch.testing.assert_close(statistics(mel), alone, rtol=1e-4, atol=1e-4)


def test_too_few_bands_are_refused() -> None:
    with pytest.raises(UserError, match="at least 8 mel bands, not 7"):
        WindowStatistics(7)


def by_definition(mel: Values) -> Values:
    """One window (M, T), a row or a band at a time."""
    mel = np.tile(mel, -(-SHORTEST // mel.shape[1]))
    bands = len(mel)
    z = (mel - mel.mean()) / max(mel.std(ddof=1), 1e-3)
    angle = (np.arange(bands) + 0.5) * np.pi / bands
    cepstra = np.stack([np.cos(k * angle) @ z for k in range(20)]) * np.sqrt(2 / bands)
    sixteen, narrow, wide = (grouped(z, count) for count in (16, 32, 8))
    change = np.diff(sixteen)
    halves = [blocks(z.T, size).T for size in (2, 4, 8)]
    along_time = np.stack([smoothed(row) for row in z])
    along_bands = np.stack([smoothed(column) for column in z.T]).T
    balance = grouped(along_time - along_bands, 8)
    contrast = np.stack([part.max(0) - part.min(0) for part in np.array_split(z, 8)])
    loudness = mel.mean(0)
    parts = [
        cepstra.mean(1),
        cepstra.std(1, ddof=1),
        *(log(np.diff(blocks(cepstra.T, 2**scale), axis=0) ** 2) for scale in range(4)),
        *(log(np.diff(blocks(sixteen.T, 2**scale), axis=0) ** 2) for scale in range(5)),
        *(log_mean(grouped((np.diff(blocks(half, size), axis=0) ** 2), 8)) for size in (1, 2, 4) for half in halves),
        np.sqrt((np.maximum(change, 0) ** 2).mean(1)),
        np.sqrt((np.minimum(change, 0) ** 2).mean(1)),
        grouped(z, 64).mean(1),
        correlations(sixteen),
        correlations(change),
        correlations(cepstra[:13]),
        *shape(cepstra, 0.01),
        *shape(sixteen, 0.1),
        *shape(narrow, 0.1),
        *shape(change, 0.1),
        *fluctuation(wide),
        balance.mean(1),
        0.5 * np.log(balance.var(1, ddof=1) + 1e-4),
        *(log_mean(grouped((z - smooth) ** 2, 8)) for smooth in (along_time, along_bands)),
        contrast.mean(1),
        0.5 * np.log(contrast.var(1, ddof=1) + 1e-4),
        np.array([np.log(max(mel.std(), 0.1)), mel.max() - mel.mean(), loudness.max() - loudness.mean()]),
    ]
    return np.concatenate(parts)


def grouped(x: Values, count: int) -> Values:
    return np.stack([part.mean(0) for part in np.array_split(x, min(count, len(x)))])


def blocks(x: Values, size: int) -> Values:
    """Means of ``size`` neighbours along the first axis; a rest is dropped at every halving."""
    while size > 1:
        even = len(x) // 2 * 2
        x, size = (x[0:even:2] + x[1:even:2]) / 2, size // 2
    return x


def smoothed(x: Values) -> Values:
    means: Values = np.convolve(x, np.ones(9) / 9)[4:-4]
    return means


def log(x: Values) -> Values:
    logarithm: Values = 0.5 * np.log(x.mean(0) + 1e-4)
    return logarithm


def log_mean(x: Values) -> Values:
    return log(x.T)


def correlations(x: Values) -> Values:
    centred = x - x.mean(1, keepdims=True)
    scaled = centred / (x.std(1, keepdims=True) + 0.05)
    coefficients: Values = (scaled @ scaled.T / x.shape[1])[np.triu_indices(len(x), 1)]
    return coefficients


def shape(x: Values, floor: float) -> tuple[Values, Values]:
    scaled = (x - x.mean(1, keepdims=True)) / (x.std(1, keepdims=True) + floor)
    return (scaled**3).mean(1), np.log((scaled**4).mean(1) + floor)


def fluctuation(x: Values) -> list[Values]:
    frames = x.shape[1]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(frames) / frames)
    energy = np.abs(np.fft.rfft((x - x.mean(1, keepdims=True)) * hann)[:, 1:]) ** 2 / frames
    edges = [round(energy.shape[1] ** (i / 10)) for i in range(11)]
    return [0.5 * np.log(energy[:, low - 1 : max(low, high)].mean(1) + 1e-3) for low, high in pairwise(edges)]
