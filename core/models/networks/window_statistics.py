"""About a thousand handcrafted statistics of a window of music.

- Timbre: cepstra and their deviation (Tzanetakis & Cook 2002).
- Rhythm: energy of Haar wavelets per band and cepstrum at several time scales, after the modulation features of Lee et
  al. (2009) and the scattering transform of Andén & Mallat (2014); rises and falls separately (attacks and decays).
- Texture: correlation between bands (Seyerlehner et al. 2010) and the distribution of values over time.
- Harmonics, noise and beats: differences between bands, spectral contrast (Jiang et al. 2002), and the residuals of
  smoothing along time or frequency (Fitzgerald 2010).

Suffixes: B windows, M mel bands, T frames, R rows (linear functions of the bands of a frame), G groups of bands,
F statistics.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.models.layers.normalisation import FLATTEST_DB, centred_with_std
from core.models.layers.time_maps import GROUP_SCALES, HARMONIC_SCALES, TimeMaps, halves, time_maps
from core.util.errors import UserError

CEPSTRA = 20
TIMBRE_CEPSTRA = 13
"""Cepstra between which correlations are computed; they describe the broad shape of the spectrum."""
FINE_GROUPS, NARROW_GROUPS, GROUPS, WIDE_GROUPS = 64, 32, 16, 8
SMOOTH = 9
"""Length in frames or bands of the smoothing that separates sustained from percussive sound."""
ENDS = SMOOTH // 2
FEWEST_BANDS = 8
SHORTEST = 48
"""Frames that the slowest statistics need; shorter windows are repeated."""
CEPSTRUM_SCALES = 4
"""How many of the `GROUP_SCALES` are used for cepstra."""
BLOCK_SIZES = (1, 2, 4)
"""Numbers of bands in the blocks whose differences separate harmonics from noise."""
CORRELATION_FLOOR, CEPSTRUM_FLOOR, GROUP_FLOOR = 0.05, 0.01, 0.1
"""Added to the deviation of rows, so that nearly constant ones are not amplified."""


class WindowStatistics(nn.Module):
    """Log-mel windows [B, M, T] in dB → statistics [B, F], level-invariant.

    On a CPU the number of operations and memory access dominate, not arithmetic. Therefore time is the first axis
    internally, [T, B, M], which makes sums over time and differences along time or bands contiguous; everything linear
    in the bands is one matrix product for all frames; and statistics of single frames are computed before a short
    window is repeated.
    """

    rows: Tensor
    floors: Tensor
    fine_groups: Tensor
    wide_groups: Tensor
    wide_members: Tensor
    contrast_groups: Tensor
    row_pairs: Tensor
    change_pairs: Tensor

    def __init__(self, n_mels: int) -> None:
        """
        Raises:
            UserError: there are fewer than `FEWEST_BANDS`.
        """
        super().__init__()
        if n_mels < FEWEST_BANDS:
            raise UserError(f"window statistics need at least {FEWEST_BANDS} mel bands, not {n_mels}")
        bands_MM = torch.eye(n_mels)
        groups, narrow, wide = (_group(bands_MM, count) for count in (GROUPS, NARROW_GROUPS, WIDE_GROUPS))
        residual_MM = _residual(bands_MM, _with_ends(bands_MM), dim=-1)
        parts = [_cosines(CEPSTRA, n_mels), groups, narrow, wide, wide @ residual_MM, bands_MM.mean(0)[None]]
        self.row_counts = [len(part) for part in parts]
        contrasts = [_contrast_groups(n_mels, size) for size in BLOCK_SIZES]
        self.contrast_counts = [groups_PG.shape[1] for groups_PG in contrasts]
        # All groups are as large as the largest; some members are repeated, which does not change a maximum.
        members = [part.tolist() for part in torch.arange(n_mels).tensor_split(WIDE_GROUPS)]
        members = [part + part[-1:] * (len(members[0]) - len(part)) for part in members]
        both = CEPSTRA + len(groups)
        buffers = {
            "rows": torch.cat(parts),
            "floors": torch.tensor([CEPSTRUM_FLOOR] * CEPSTRA + [GROUP_FLOOR] * (len(groups) + len(narrow))),
            "fine_groups": _group(bands_MM, FINE_GROUPS),
            "wide_groups": wide,
            "wide_members": torch.tensor(members).flatten(),
            "contrast_groups": torch.block_diag(*contrasts),  # type: ignore[no-untyped-call]
            "row_pairs": torch.cat([_pairs(CEPSTRA, len(groups), both), _pairs(0, TIMBRE_CEPSTRA, both)]),
            "change_pairs": _pairs(0, len(groups), len(groups)),
        }
        for name, buffer in buffers.items():
            self.register_buffer(name, buffer, persistent=False)
        widths = [sum(part.shape[1] for part in kind) for kind in self._parts(torch.zeros(1, n_mels, SHORTEST))]
        self.count = sum(widths)
        """F."""
        self.compared_by_kernel = torch.cat([torch.arange(widths[0]), torch.arange(widths[0] + widths[1], self.count)])
        """Indices of the statistics that are not correlations between bands. There are many correlations, and an L1
        distance counts all statistics alike."""

    @torch.no_grad()
    def forward(self, mel_BMT: Tensor) -> Tensor:
        return torch.cat([part for kind in self._parts(mel_BMT) for part in kind], dim=1)

    def _parts(self, mel_BMT: Tensor) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """The statistics in their order: some, correlations between bands, others."""
        times = -(-SHORTEST // mel_BMT.shape[2])  # how often a short window is repeated
        frames = times * mel_BMT.shape[2]
        unbiased = frames / (frames - 1)
        maps = time_maps(frames, mel_BMT.device)
        centred_BMT, std_B11 = centred_with_std(mel_BMT.float(), times)
        std_B11 = std_B11.clamp_min(FLATTEST_DB)
        z_BMT = centred_BMT / std_B11
        z_TBM = z_BMT.permute(2, 0, 1).contiguous()
        rows_TBR = F.linear(z_TBM, self.rows)
        cepstra, groups, narrow, wide, _, _ = self.row_counts
        both = cepstra + groups

        mean_BR, centred_TBR, variance_BR = _moments(rows_TBR[..., : both + narrow])
        shape = _shape(centred_TBR, variance_BR, self.floors)
        pairs_BP = _correlation(centred_TBR[..., :both], variance_BR[:, :both], self.row_pairs)
        group_pairs = groups * (groups - 1) // 2
        contrast_BGT = self._contrast(z_BMT)
        uneven_BM = _residual(z_TBM, _with_ends(z_TBM), dim=-1).square_().mean(0)
        loudness_TB = rows_TBR[..., -1]

        padded_TBM, padded_TBR = _with_ends(z_TBM, times, dim=0), _with_ends(rows_TBR, times, dim=0)
        z_TBM, rows_TBR = padded_TBM[ENDS:-ENDS], padded_TBR[ENDS:-ENDS]
        group_TBG, wide_TBG = rows_TBR[..., cepstra:both], rows_TBR[..., both + narrow : both + narrow + wide]
        change_TBG = group_TBG[1:] - group_TBG[:-1]
        _, change_centred_TBG, change_variance_BG = _moments(change_TBG)
        change_pairs_BP = _correlation(change_centred_TBG, change_variance_BG, self.change_pairs)
        movement_SBR = _movement(rows_TBR[..., :both], maps.movement)
        steady_TBG = _residual(wide_TBG, padded_TBR[..., both + narrow : both + narrow + wide], dim=0)
        balance_mean_BG, _, balance_variance_BG = _moments(rows_TBR[..., -1 - wide : -1] - steady_TBG)
        unsteady_BM = _residual(z_TBM, padded_TBM, dim=0).square_().mean(0)
        before = [
            mean_BR[:, :cepstra],
            (unbiased * variance_BR[:, :cepstra]).sqrt(),
            *movement_SBR[:CEPSTRUM_SCALES, :, :cepstra],
            *movement_SBR[:, :, cepstra:],
            *self._harmonicity(z_TBM, maps.halves),
            change_TBG.clamp_min(0).square_().mean(0).sqrt(),
            change_TBG.clamp_max(0).square_().mean(0).sqrt(),
            z_BMT.mean(2) @ self.fine_groups.T,
        ]
        correlations = [pairs_BP[:, :group_pairs], change_pairs_BP, pairs_BP[:, group_pairs:]]
        after = [
            *(part[:, :cepstra] for part in shape),
            *(part[:, cepstra:both] for part in shape),
            *(part[:, both:] for part in shape),
            *_shape(change_centred_TBG, change_variance_BG, self.floors[-1:]),
            _fluctuation(wide_TBG, maps),
            balance_mean_BG,
            _log(unbiased * balance_variance_BG),
            *_log(torch.stack([unsteady_BM, uneven_BM]) @ self.wide_groups.T),
            contrast_BGT.mean(2),
            _log(unbiased * _variance(contrast_BGT)),
            _dynamics(centred_BMT, std_B11, loudness_TB, times),
        ]
        return before, correlations, after

    def _contrast(self, z_BMT: Tensor) -> Tensor:
        """Spectral contrast of each group of bands, peak above valley: [B, G, T]."""
        members_BGMT = z_BMT.index_select(1, self.wide_members).view(
            -1, WIDE_GROUPS, len(self.wide_members) // WIDE_GROUPS, z_BMT.shape[2]
        )
        return members_BGMT.amax(2) - members_BGMT.amin(2)

    def _harmonicity(self, z_TBM: Tensor, means_ST: Tensor) -> list[Tensor]:
        """Log energy of the differences between neighbouring blocks of bands, by frequency and block size.

        Differences are computed at every band; the groups select those between blocks that do not overlap.
        """
        sums_TBP = torch.cat(halves(z_TBM, HARMONIC_SCALES))
        energies = []
        for size in BLOCK_SIZES:  # sums of ``size`` neighbours
            square_TBP = (sums_TBP[..., size:] - sums_TBP[..., :-size]).square_()
            energies.append((means_ST @ square_TBP.flatten(1)).view(-1, *square_TBP.shape[1:]))
            sums_TBP = sums_TBP[..., size:] + sums_TBP[..., :-size]
        energy_BSH = _log(torch.cat(energies, dim=2) @ self.contrast_groups).transpose(0, 1)
        return [part.flatten(1) for part in torch.split(energy_BSH, self.contrast_counts, dim=2)]


def _moments(x_TBR: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Means over time [B, R], deviations from them [T, B, R], and variances [B, R]."""
    mean_BR = x_TBR.mean(0)
    centred_TBR = x_TBR - mean_BR
    return mean_BR, centred_TBR, centred_TBR.square().mean(0)


def _variance(x_BGT: Tensor) -> Tensor:
    # Not var: its running update is many times slower on a CPU than two passes.
    return (x_BGT - x_BGT.mean(2, keepdim=True)).square_().mean(2)


def _shape(centred_TBR: Tensor, variance_BR: Tensor, floor_R: Tensor) -> tuple[Tensor, Tensor]:
    """Skewness and log kurtosis over time, [B, R] each, which distinguish bursts, steady sound and gaps."""
    deviation_BR = variance_BR.sqrt() + floor_R
    square_TBR = centred_TBR.square()
    skewness_BR: Tensor = (square_TBR * centred_TBR).mean(0) / deviation_BR**3
    kurtosis_BR: Tensor = square_TBR.square_().mean(0) / deviation_BR**4
    return skewness_BR, kurtosis_BR.add_(floor_R).log_()


def _correlation(centred_TBR: Tensor, variance_BR: Tensor, pairs_P: Tensor) -> Tensor:
    """Correlation coefficients of the pairs of rows from `_pairs`: [B, P]."""
    scale_BR = (variance_BR.sqrt() + CORRELATION_FLOOR).reciprocal()
    products_BRR = centred_TBR.permute(1, 2, 0) @ centred_TBR.transpose(0, 1)
    scales_BRR = scale_BR[:, :, None] * (scale_BR / len(centred_TBR))[:, None]
    correlation_BP: Tensor = (products_BRR * scales_BRR).flatten(1).index_select(1, pairs_P)
    return correlation_BP


def _pairs(begin: int, count: int, rows: int) -> Tensor:
    """Indices in a flattened [R, R] of the pairs of ``count`` rows from ``begin`` on: [count (count - 1) / 2]."""
    row, column = torch.triu_indices(count, count, offset=1)
    places_P: Tensor = (begin + row) * rows + begin + column
    return places_P


def _with_ends(x: Tensor, times: int = 1, dim: int = -1) -> Tensor:
    """``x`` repeated ``times`` times, with `ENDS` zeros at both ends."""
    shape = list(x.shape)
    shape[dim] = ENDS
    zeros = x.new_zeros(shape)
    return torch.cat([zeros, *[x] * times, zeros], dim)


def _residual(x: Tensor, padded: Tensor, dim: int) -> Tensor:
    """``x`` minus its means over `SMOOTH` neighbours. ``padded`` is the result of `_with_ends`."""
    return torch.sub(x, _sums(padded, dim), alpha=1 / SMOOTH)


def _sums(padded: Tensor, dim: int) -> Tensor:
    """Sums of `SMOOTH` neighbours, by way of sums of 2, 4 and 8."""
    sums, size = padded, 1
    while 2 * size <= SMOOTH:
        length = sums.shape[dim] - size
        sums = sums.narrow(dim, 0, length) + sums.narrow(dim, size, length)
        size *= 2
    length = padded.shape[dim] - SMOOTH + 1
    return sums.narrow(dim, 0, length) + padded.narrow(dim, SMOOTH - 1, length)


def _fluctuation(x_TBG: Tensor, maps: TimeMaps) -> Tensor:
    """Log energy of each row's modulation, in logarithmically spaced bands of modulation frequency: [B, bands · G]."""
    parts_NX = maps.waves @ x_TBG.flatten(1)
    energy_LBG = (maps.fluctuations @ parts_NX.square_()).view(-1, *x_TBG.shape[1:])
    return _log(energy_LBG, floor=1e-3).transpose(0, 1).flatten(1)


def _dynamics(centred_BMT: Tensor, std_B11: Tensor, loudness_TB: Tensor, times: int) -> Tensor:
    """Log of the spread in dB, and the distances from the mean to the loudest value and to the loudest frame: [B, 3].

    ``loudness_TB`` is in units of ``std_B11``, the deviation with Bessel's correction.
    """
    values = times * centred_BMT[0].numel()
    spread_B = (std_B11[:, 0, 0] * math.sqrt((values - 1) / values)).clamp_min(0.1).log()
    return torch.stack([spread_B, centred_BMT.amax((1, 2)), loudness_TB.amax(0) * std_B11[:, 0, 0]], dim=1)


def _movement(x_TBR: Tensor, means_ST: Tensor) -> Tensor:
    """Log energy of the differences between neighbouring blocks of frames, for S block lengths: [S, B, R]."""
    blocks_TBR = torch.cat([x_TBR, *halves(x_TBR, GROUP_SCALES - 1)])
    change_TBR = (blocks_TBR[1:] - blocks_TBR[:-1]).square_()
    return _log((means_ST @ change_TBR.flatten(1)).view(-1, *x_TBR.shape[1:]))


def _group(x_MT: Tensor, groups: int) -> Tensor:
    """Means of neighbouring rows: [G, T], with fewer groups if there are fewer rows."""
    return torch.stack([part.mean(0) for part in x_MT.tensor_split(min(groups, len(x_MT)))])


def _contrast_groups(n_mels: int, size: int) -> Tensor:
    """Matrix [P, G] that averages squared differences between neighbouring blocks of ``size`` bands by frequency.

    P is the number of positions of two such blocks, and the differences are those of the blocks' sums.
    """
    groups_PG = torch.zeros(n_mels - 2 * size + 1, WIDE_GROUPS)
    apart = len(groups_PG[::size])
    means_GP = _group(torch.eye(apart), WIDE_GROUPS)
    groups_PG[::size, : len(means_GP)] = means_GP.T / size**2
    return groups_PG[:, : len(means_GP)]


def _log(energy: Tensor, floor: float = 1e-4) -> Tensor:
    """The logarithm of an amplitude, from its energy; ``floor`` is an energy too."""
    return 0.5 * (energy + floor).log()


def _cosines(count: int, n_mels: int) -> Tensor:
    """The first rows of the orthonormal discrete cosine transform without that of the mean: [count, n_mels]."""
    band_M = (torch.arange(n_mels) + 0.5) * (math.pi / n_mels)
    return torch.cos(torch.arange(count)[:, None] * band_M) * math.sqrt(2 / n_mels)
