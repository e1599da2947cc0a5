"""About a thousand hand-made statistics of a window of music.

- Timbre: cepstra and their deviation (Tzanetakis & Cook 2002).
- Rhythm: energy of Haar wavelets per band and cepstrum at several time scales, after the modulation features of Lee et
  al. (2009) and the scattering transform of Andén & Mallat (2014); rises and falls separately (attacks and decays).
- Texture: correlation between bands (Seyerlehner et al. 2010) and the distribution of values over time.
- Harmonics against noise and beats: differences between bands, spectral contrast (Jiang et al. 2002), and the residuals
  of smoothing along time or frequency (Fitzgerald 2010).

Suffixes: B windows, M mel bands, T frames, G groups of bands, K cepstra, F statistics.
"""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.models.layers.standardise import own_scale
from core.util.errors import UserError

CEPSTRA = 20
TIMBRE_CEPSTRA = 13
"""Cepstra that correlations are computed of: the broad shape of the spectrum."""
FINE_GROUPS, NARROW_GROUPS, GROUPS, WIDE_GROUPS = 64, 32, 16, 8
SMOOTH = 9
"""Frames, or bands, of the smoothing that separates sustained from percussive sound."""
FLUCTUATIONS = 10
"""Bands of modulation frequency."""
FEWEST_BANDS = 8
SHORTEST = 48
"""Frames that the slowest statistics need; a shorter window is repeated to this length."""
CEPSTRUM_SCALES, GROUP_SCALES, HARMONIC_SCALES = 4, 5, 3
"""Number of block lengths, each twice the previous one, at which changes are measured."""


class WindowStatistics(nn.Module):
    """Log-mel windows [B, M, T] in dB → statistics [B, F], level-invariant.

    Operations that are linear in the bands are one matrix product each, which is faster than many small operators.
    """

    rows: Tensor
    fine_groups: Tensor
    smooth: Tensor
    contrasts: Tensor
    contrast_groups: Tensor

    def __init__(self, n_mels: int) -> None:
        """
        Raises:
            UserError: there are fewer than `FEWEST_BANDS`.
        """
        super().__init__()
        if n_mels < FEWEST_BANDS:
            raise UserError(f"window statistics need at least {FEWEST_BANDS} mel bands, not {n_mels}")
        bands_MM = torch.eye(n_mels)
        cosines_KM = _cosines(CEPSTRA, n_mels)
        parts = [cosines_KM, *(_group(bands_MM, count) for count in (GROUPS, NARROW_GROUPS, WIDE_GROUPS))]
        self.counts = [len(part) for part in parts]
        self.register_buffer("rows", torch.cat(parts), persistent=False)
        self.register_buffer("fine_groups", _group(bands_MM, FINE_GROUPS), persistent=False)
        self.register_buffer("smooth", _smoothed(bands_MM[None])[0], persistent=False)
        contrasts = [F.avg_pool1d(bands_MM.T, size).T.diff(dim=0) for size in (1, 2, 4)]
        self.register_buffer("contrasts", torch.cat(contrasts), persistent=False)
        groups = [_group(torch.eye(len(contrast)), WIDE_GROUPS).T for contrast in contrasts]
        blocks = torch.block_diag(*groups)  # type: ignore[no-untyped-call]
        self.register_buffer("contrast_groups", blocks, persistent=False)
        self.contrast_counts = [group.shape[1] for group in groups]
        self.count = self(torch.zeros(1, n_mels, SHORTEST)).shape[1]
        """F."""

    @torch.no_grad()
    def forward(self, mel_BMT: Tensor) -> Tensor:
        if (frames := mel_BMT.shape[2]) < SHORTEST:
            mel_BMT = mel_BMT.repeat(1, 1, -(-SHORTEST // frames))
        mel_BMT = mel_BMT.float()
        z_BMT = own_scale(mel_BMT)
        rows_BRT = _mapped(self.rows, z_BMT)
        cepstra_BKT, groups_BGT, narrow_BGT, wide_BGT = torch.split(rows_BRT, self.counts, dim=1)
        mean_BK1 = cepstra_BKT.mean(2, keepdim=True)
        variance_BK = (cepstra_BKT - mean_BK1).square().sum(2) / (rows_BRT.shape[2] - 1)
        change_BGT = groups_BGT.diff(dim=2)
        movement = _movement(rows_BRT[:, : CEPSTRA + groups_BGT.shape[1]], GROUP_SCALES)
        return torch.cat(
            [
                mean_BK1[:, :, 0],
                variance_BK.sqrt(),
                *(energy_BR[:, :CEPSTRA] for energy_BR in movement[:CEPSTRUM_SCALES]),
                *(energy_BR[:, CEPSTRA:] for energy_BR in movement),
                *self._harmonicity(z_BMT),
                change_BGT.clamp_min(0).square().mean(2).sqrt(),
                change_BGT.clamp_max(0).square().mean(2).sqrt(),
                z_BMT.mean(2) @ self.fine_groups.T,
                _correlation(groups_BGT),
                _correlation(change_BGT),
                _correlation(cepstra_BKT[:, :TIMBRE_CEPSTRA]),
                *_shape(cepstra_BKT, floor=0.01),
                *_shape(groups_BGT, floor=0.1),
                *_shape(narrow_BGT, floor=0.1),
                *_shape(change_BGT, floor=0.1),
                *_fluctuation(wide_BGT),
                *self._sustain(z_BMT),
                *_contrast(z_BMT),
                _dynamics(mel_BMT),
            ],
            dim=1,
        )

    def _harmonicity(self, z_BMT: Tensor) -> list[Tensor]:
        """Log energy of the change from one block of bands to the next, by height and for blocks of several sizes."""
        energies = []
        for _ in range(HARMONIC_SCALES):
            z_BMT = _halved(z_BMT)
            energies.append(_mapped(self.contrasts, z_BMT).square().mean(2))
        energy_BSD = torch.stack(energies, dim=1)
        energy_BSH = _log(energy_BSD @ self.contrast_groups)
        return [part.flatten(1) for part in torch.split(energy_BSH, self.contrast_counts, dim=2)]

    def _sustain(self, z_BMT: Tensor) -> list[Tensor]:
        """Harmonic against percussive energy, and the residual of both smoothings: [B, G] each."""
        along_time_BMT, along_bands_BMT = _smoothed(z_BMT), _mapped(self.smooth, z_BMT)
        wide_GM = self.rows[-self.counts[-1] :]
        balance_BGT = _mapped(wide_GM, along_time_BMT - along_bands_BMT)
        left_BMT = [(z_BMT - smooth_BMT).square() for smooth_BMT in (along_time_BMT, along_bands_BMT)]
        return [
            balance_BGT.mean(2),
            _log(balance_BGT.var(2)),
            *(_log(energy_BMT.mean(2) @ wide_GM.T) for energy_BMT in left_BMT),
        ]


def _mapped(map_RM: Tensor, x_BMT: Tensor) -> Tensor:
    """``map_RM @ x_BMT``, [B, R, T], as a single product, two to three times faster on a CPU than one per window."""
    windows, _, frames = x_BMT.shape
    return (map_RM @ x_BMT.transpose(0, 1).flatten(1)).view(-1, windows, frames).transpose(0, 1)


def _smoothed(x_BMT: Tensor) -> Tensor:
    """Means over `SMOOTH` neighbours along the last axis; beyond the ends there is nothing."""
    size = x_BMT.shape[2]
    padded_BMT = F.pad(x_BMT, (SMOOTH // 2, SMOOTH // 2))
    # Not avg_pool1d: it takes five times as long on a CPU.
    return sum((padded_BMT[:, :, i : i + size] for i in range(1, SMOOTH)), padded_BMT[:, :, :size]) / SMOOTH


def _contrast(z_BMT: Tensor) -> tuple[Tensor, Tensor]:
    """Spectral contrast of each group of bands, peak above valley: mean and log deviation over time, [B, G] each."""
    groups = z_BMT.tensor_split(WIDE_GROUPS, dim=1)
    contrast_BGT = torch.stack([group_BMT.amax(1) - group_BMT.amin(1) for group_BMT in groups], dim=1)
    return contrast_BGT.mean(2), _log(contrast_BGT.var(2))


def _correlation(x_BGT: Tensor) -> Tensor:
    """Correlation coefficients of all pairs of rows: [B, G (G - 1) / 2]."""
    scaled_BGT = _own_deviations(x_BGT, floor=0.05)
    correlation_BGG = scaled_BGT @ scaled_BGT.transpose(1, 2) / x_BGT.shape[2]
    row, column = torch.triu_indices(x_BGT.shape[1], x_BGT.shape[1], offset=1, device=x_BGT.device)
    return correlation_BGG[:, row, column]


def _shape(x_BGT: Tensor, floor: float) -> tuple[Tensor, Tensor]:
    """Skewness and log kurtosis over time, [B, G] each, which tell bursts, steady sound and gaps apart."""
    scaled_BGT = _own_deviations(x_BGT, floor)
    squared_BGT = scaled_BGT.square()
    return (squared_BGT * scaled_BGT).mean(2), (squared_BGT.square().mean(2) + floor).log()


def _own_deviations(x_BGT: Tensor, floor: float) -> Tensor:
    """Standardises every row; ``floor`` keeps nearly constant rows from being amplified."""
    centred_BGT = x_BGT - x_BGT.mean(2, keepdim=True)
    return centred_BGT / (centred_BGT.square().mean(2, keepdim=True).sqrt() + floor)


def _fluctuation(x_BGT: Tensor) -> list[Tensor]:
    """Log energy [B, G] of each row's modulation, in logarithmically spaced bands of modulation frequency."""
    frames = x_BGT.shape[2]
    hann_T = torch.hann_window(frames, device=x_BGT.device)
    spectrum_BGN = torch.fft.rfft((x_BGT - x_BGT.mean(2, keepdim=True)) * hann_T, dim=2)[:, :, 1:]
    energy_BGN = spectrum_BGN.abs().square() / frames
    edges = [round(energy_BGN.shape[2] ** (i / FLUCTUATIONS)) for i in range(FLUCTUATIONS + 1)]
    return [_log(energy_BGN[:, :, low - 1 : max(low, high)].mean(2), floor=1e-3) for low, high in pairwise(edges)]


def _dynamics(mel_BMT: Tensor) -> Tensor:
    """Log of the spread in dB; from the mean to the loudest point, and from the mean frame to the loudest: [B, 3]."""
    loudness_BT = mel_BMT.mean(1)
    mean_B = loudness_BT.mean(1)
    spread_B = (mel_BMT - mean_B[:, None, None]).square().mean((1, 2)).sqrt().clamp_min(0.1).log()
    return torch.stack([spread_B, mel_BMT.amax((1, 2)) - mean_B, loudness_BT.amax(1) - mean_B], dim=1)


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


def _log(energy: Tensor, floor: float = 1e-4) -> Tensor:
    """The logarithm of an amplitude; its floor is an energy, by default that of a hundredth of a deviation."""
    return 0.5 * (energy + floor).log()


def _cosines(count: int, n_mels: int) -> Tensor:
    """The first rows of the orthonormal discrete cosine transform, but for the mean's: [count, n_mels]."""
    band_M = (torch.arange(n_mels) + 0.5) * (math.pi / n_mels)
    return torch.cos(torch.arange(count)[:, None] * band_M) * math.sqrt(2 / n_mels)
