"""What a window of music is like on the whole, in some three hundred numbers that no training has to find.

Cepstra and their spread tell timbre (Tzanetakis & Cook 2002); the energy of differences at several time scales, a Haar
wavelet's, tells how fast each band and each cepstrum moves, after the modulation features of Lee et al. (2009) and the
scattering transform of Andén & Mallat (2014); rises and falls apart tell attacks from decays; differences from band to
band tell harmonics from noise.

Suffixes: B windows, M mel bands, T frames, G groups of bands, K cepstra, F statistics.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.models.standardise import own_scale

CEPSTRA = 20
GROUPS = 16
HARMONIC_GROUPS = 8
SHORTEST = 48
"""Frames that the slowest statistics need; a shorter window is repeated until it has as many."""


class WindowStatistics(nn.Module):
    """Log-mel windows [B, M, T] in dB → statistics [B, F], blind to level and decibel scale."""

    cosines: Tensor

    def __init__(self, n_mels: int) -> None:
        super().__init__()
        self.register_buffer("cosines", _cosines(CEPSTRA, n_mels), persistent=False)
        self.count = self(torch.zeros(1, n_mels, SHORTEST)).shape[1]
        """F."""

    @torch.no_grad()
    def forward(self, mel_BMT: Tensor) -> Tensor:
        if (frames := mel_BMT.shape[2]) < SHORTEST:
            mel_BMT = mel_BMT.repeat(1, 1, -(-SHORTEST // frames))
        z_BMT = own_scale(mel_BMT.float())
        cepstra_BKT = self.cosines @ z_BMT
        groups_BGT = _group(z_BMT, GROUPS)
        rise_BGT = groups_BGT.diff(dim=2)
        return torch.cat(
            [
                cepstra_BKT.mean(2),
                cepstra_BKT.std(2),
                _movement(cepstra_BKT, scales=(1, 2, 4, 8)),
                _movement(groups_BGT, scales=(1, 2, 4, 8, 16)),
                _harmonicity(z_BMT),
                rise_BGT.clamp_min(0).square().mean(2).sqrt(),
                rise_BGT.clamp_max(0).square().mean(2).sqrt(),
            ],
            dim=1,
        )


def _movement(x_BGT: Tensor, scales: tuple[int, ...]) -> Tensor:
    """Log energy of the change from one block of frames to the next, for blocks of each length."""
    return torch.cat([_log_energy(F.avg_pool1d(x_BGT, scale).diff(dim=2)) for scale in scales], dim=1)


def _harmonicity(z_BMT: Tensor) -> Tensor:
    """Log energy of the change from one block of bands to the next, by height and for blocks of several sizes."""
    energies = []
    for bands in (1, 2, 4):
        for frames in (2, 4, 8):
            change_BMT = F.avg_pool2d(z_BMT[:, None], (bands, frames))[:, 0].diff(dim=1)
            energies.append(_group(change_BMT.square(), HARMONIC_GROUPS).mean(2))
    return _log(torch.cat(energies, dim=1))


def _group(z_BMT: Tensor, groups: int) -> Tensor:
    """Means of neighbouring bands: [B, G, T], with fewer groups where there are not as many bands."""
    parts = z_BMT.tensor_split(min(groups, z_BMT.shape[1]), dim=1)
    return torch.stack([part.mean(1) for part in parts], dim=1)


def _log_energy(x_BGT: Tensor) -> Tensor:
    return _log(x_BGT.square().mean(2))


def _log(energy: Tensor) -> Tensor:
    """The logarithm of an amplitude, with a floor of a hundredth of the window's deviation."""
    return 0.5 * (energy + 1e-4).log()


def _cosines(count: int, n_mels: int) -> Tensor:
    """The first rows of the orthonormal discrete cosine transform, but for the mean's: [count, n_mels]."""
    band_M = (torch.arange(n_mels) + 0.5) * (math.pi / n_mels)
    return torch.cos(torch.arange(count)[:, None] * band_M) * math.sqrt(2 / n_mels)
