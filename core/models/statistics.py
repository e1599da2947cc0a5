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
CEPSTRUM_SCALES, GROUP_SCALES, HARMONIC_SCALES = 4, 5, 3
"""At how many lengths of blocks of frames, each twice the one before, changes are measured."""


class WindowStatistics(nn.Module):
    """Log-mel windows [B, M, T] in dB → statistics [B, F], blind to level and decibel scale.

    What is linear in the bands is one matrix each, for the operators of a window are many and small.
    """

    rows: Tensor
    contrasts: Tensor
    contrast_groups: Tensor

    def __init__(self, n_mels: int) -> None:
        super().__init__()
        bands_MM = torch.eye(n_mels)
        self.register_buffer("rows", torch.cat([_cosines(CEPSTRA, n_mels), _group(bands_MM, GROUPS)]), persistent=False)
        contrasts = [F.avg_pool1d(bands_MM.T, size).T.diff(dim=0) for size in (1, 2, 4)]
        self.register_buffer("contrasts", torch.cat(contrasts), persistent=False)
        groups = [_group(torch.eye(len(contrast)), HARMONIC_GROUPS).T for contrast in contrasts]
        blocks = torch.block_diag(*groups)  # type: ignore[no-untyped-call]
        self.register_buffer("contrast_groups", blocks, persistent=False)
        self.contrast_counts = [group.shape[1] for group in groups]
        self.count = self(torch.zeros(1, n_mels, SHORTEST)).shape[1]
        """F."""

    @torch.no_grad()
    def forward(self, mel_BMT: Tensor) -> Tensor:
        if (frames := mel_BMT.shape[2]) < SHORTEST:
            mel_BMT = mel_BMT.repeat(1, 1, -(-SHORTEST // frames))
        z_BMT = own_scale(mel_BMT.float())
        rows_BRT = self.rows @ z_BMT
        cepstra_BKT, groups_BGT = rows_BRT[:, :CEPSTRA], rows_BRT[:, CEPSTRA:]
        mean_BK1 = cepstra_BKT.mean(2, keepdim=True)
        variance_BK = (cepstra_BKT - mean_BK1).square().sum(2) / (rows_BRT.shape[2] - 1)
        rise_BGT = groups_BGT.diff(dim=2)
        movement = _movement(rows_BRT, GROUP_SCALES)
        return torch.cat(
            [
                mean_BK1[:, :, 0],
                variance_BK.sqrt(),
                *(energy_BR[:, :CEPSTRA] for energy_BR in movement[:CEPSTRUM_SCALES]),
                *(energy_BR[:, CEPSTRA:] for energy_BR in movement),
                *self._harmonicity(z_BMT),
                rise_BGT.clamp_min(0).square().mean(2).sqrt(),
                rise_BGT.clamp_max(0).square().mean(2).sqrt(),
            ],
            dim=1,
        )

    def _harmonicity(self, z_BMT: Tensor) -> list[Tensor]:
        """Log energy of the change from one block of bands to the next, by height and for blocks of several sizes."""
        energies = []
        for _ in range(HARMONIC_SCALES):
            z_BMT = _halved(z_BMT)
            energies.append((self.contrasts @ z_BMT).square().mean(2))
        energy_BSD = torch.stack(energies, dim=1)
        energy_BSH = _log(energy_BSD @ self.contrast_groups)
        return [part.flatten(1) for part in torch.split(energy_BSH, self.contrast_counts, dim=2)]


def _movement(x_BRT: Tensor, scales: int) -> list[Tensor]:
    """Log energy [B, R] of the change from one block of frames to the next, each time for blocks twice as long."""
    energies = []
    for scale in range(scales):
        x_BRT = _halved(x_BRT) if scale else x_BRT
        energies.append(_log(x_BRT.diff(dim=2).square().mean(2)))
    return energies


def _halved(x_BRT: Tensor) -> Tensor:
    """Means of two frames each: [B, R, T // 2]."""
    even = x_BRT.shape[2] // 2 * 2
    return (x_BRT[:, :, 0:even:2] + x_BRT[:, :, 1:even:2]) / 2


def _group(x_MT: Tensor, groups: int) -> Tensor:
    """Means of neighbouring rows: [G, T], with fewer groups where there are not as many rows."""
    return torch.stack([part.mean(0) for part in x_MT.tensor_split(min(groups, len(x_MT)))])


def _log(energy: Tensor) -> Tensor:
    """The logarithm of an amplitude, with a floor of a hundredth of the window's deviation."""
    return 0.5 * (energy + 1e-4).log()


def _cosines(count: int, n_mels: int) -> Tensor:
    """The first rows of the orthonormal discrete cosine transform, but for the mean's: [count, n_mels]."""
    band_M = (torch.arange(n_mels) + 0.5) * (math.pi / n_mels)
    return torch.cos(torch.arange(count)[:, None] * band_M) * math.sqrt(2 / n_mels)
