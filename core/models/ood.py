"""Out-of-distribution detection: whether a window resembles the training set, by statistics that ignore its genre.

Music, speech, hum and noise differ in the levels of their bands and in how much and how fast these change. A network
trained on genres cannot tell them apart, but a few dozen statistics of the log-mel window can. As in Lee et al. (2018),
"A simple unified framework for detecting out-of-distribution samples and adversarial attacks", the distance is the
Mahalanobis distance, here of these statistics instead of a network's features.

Thresholds are fitted when training has ended and stored with the weights: the entropy above which a prediction is
uncertain, and two for rejecting a window: the distance of its statistics from the training set's, and too little
movement, as in noise or hum."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from core.features.log_mel import FrontEnd
from core.features.settings import FrontEndSettings
from core.models.layers.time_maps import made_once

BANDS = 8
STEP_SECONDS = 0.1
"""Slow statistics are computed from means over this time, in which the fluctuations of noise cancel."""
SHRINKAGE = 0.1
"""Weight of the identity in the correlation matrix, so that few windows suffice."""
MOVEMENT = -4
"""Index of the log deviation of the bands from their means over time, in the vector of `ood_features`."""
LOG_FLOOR = 0.3
"""Decibels that are added before taking a logarithm."""


def ood_features(mel_BMT: Tensor, settings: FrontEndSettings) -> Tensor:
    """Log-mel windows [B, M, T] in dB with any reference → statistics [B, 63]."""
    mel_BMT = _inside(mel_BMT, settings)
    means_KM, band_M = _bands(mel_BMT.shape[1], mel_BMT.device)
    fast_BKT = means_KM @ mel_BMT
    within_BKT = means_KM @ (mel_BMT - fast_BKT.index_select(1, band_M)).square_()
    slow_BMS = _in_steps(mel_BMT, settings)
    slow_BKS = fast_BKT if slow_BMS is mel_BMT else means_KM @ slow_BMS
    profile_BM1 = slow_BMS.mean(2, keepdim=True)
    change_BM1 = (slow_BMS - profile_BM1).square_().mean(2, keepdim=True)
    profile_BK1 = means_KM @ profile_BM1
    uneven_BK1 = means_KM @ (profile_BM1 - profile_BK1.index_select(1, band_M)).square_()
    loudness_BT, slow_loudness_BS = fast_BKT.mean(1), slow_BMS.mean(1)
    level_BK = fast_BKT.mean(2)
    low_B, middle_B, high_B = _ranked(loudness_BT, 0.1, 0.5, 0.9)
    logarithms_B5 = torch.stack(
        [
            _std(loudness_BT),
            change_BM1.mean((1, 2)).sqrt(),
            profile_BM1.diff(dim=1).abs().mean((1, 2)),
            _std(slow_loudness_BS),
            _change(slow_loudness_BS),
        ],
        dim=1,
    )
    return torch.cat(
        [
            level_BK - level_BK.mean(1, keepdim=True),
            _std(fast_BKT),
            _change(fast_BKT),
            within_BKT.sqrt_().mean(2),
            _log((means_KM @ change_BM1)[:, :, 0].sqrt()),
            _log(_std(slow_BKS)),
            _log(uneven_BK1[:, :, 0].sqrt()),
            (low_B - middle_B)[:, None],
            (high_B - middle_B)[:, None],
            _log(logarithms_B5),
        ],
        dim=1,
    )


def movement(features_BF: Tensor) -> Tensor:
    """Mean deviation of a window's bands from their means over time, [B] in dB.

    Stationary noise of any colour has the same value, which depends only on the front end; hum and tones have less,
    music has more.
    """
    return features_BF[:, MOVEMENT].exp() - LOG_FLOOR


def fit_ood_features(features_NF: Tensor) -> tuple[Tensor, Tensor]:
    """Mean [F] and precision [F, F] of the training windows' statistics [N, F], for `distance`."""
    features_NF = features_NF.double()
    mean_F, std_F = features_NF.mean(0), _std(features_NF, dim=0).clamp_min(1e-3)
    standard_NF = (features_NF - mean_F) / std_F
    correlation_FF = standard_NF.T @ standard_NF / max(1, len(standard_NF) - 1)
    identity_FF = torch.eye(len(mean_F), dtype=torch.float64, device=features_NF.device)
    precision_FF = torch.linalg.inv((1 - SHRINKAGE) * correlation_FF + SHRINKAGE * identity_FF)
    return mean_F.float(), (precision_FF / std_F[:, None] / std_F[None, :]).float()


def distance(features_BF: Tensor, mean_F: Tensor, precision_FF: Tensor) -> Tensor:
    """Mahalanobis distance [B] divided by the root of the number of features: about 1 for a training window."""
    off_BF = features_BF - mean_F
    squared_B = torch.einsum("bf,fg,bg->b", off_BF, precision_FF, off_BF) / features_BF.shape[1]
    return squared_B.clamp_min(0).sqrt()


def _inside(mel_BMT: Tensor, settings: FrontEndSettings) -> Tensor:
    """Drop the frames at both ends that extend beyond the window, which see zeros at inference."""
    edge = math.ceil(settings.n_fft / 2 / settings.hop_length)
    return mel_BMT[:, :, edge:-edge] if mel_BMT.shape[2] > 4 * edge else mel_BMT


def _ranked(values_BT: Tensor, *shares: float) -> list[Tensor]:
    """Quantiles [B] without interpolation, which would need an operator that ONNX lacks."""
    sorted_BT = values_BT.sort(dim=1).values
    return [sorted_BT[:, round(share * (values_BT.shape[1] - 1))] for share in shares]


@made_once
def _bands(n_mels: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Matrix [K, M] that averages mel bands into `BANDS` bands, and the band of each mel band [M]."""
    parts = torch.eye(n_mels).tensor_split(BANDS)
    band_M = torch.cat([torch.full((len(part),), k) for k, part in enumerate(parts)])
    return torch.stack([part.mean(0) for part in parts]).to(device), band_M.to(device)


def _in_steps(mel_BMT: Tensor, settings: FrontEndSettings) -> Tensor:
    """Means over `STEP_SECONDS`."""
    frames = min(settings.frames_in(STEP_SECONDS), mel_BMT.shape[2])
    if frames == 1:
        return mel_BMT
    steps = mel_BMT.shape[2] // frames
    return mel_BMT[:, :, : steps * frames].reshape(*mel_BMT.shape[:2], steps, frames).mean(3)


def _std(x: Tensor, dim: int = -1) -> Tensor:
    # Not torch.std: its running update is several times slower on a CPU than two passes.
    return (x - x.mean(dim, keepdim=True)).square().mean(dim).sqrt()


def _change(x: Tensor) -> Tensor:
    """Mean absolute difference of neighbours along the last axis; 0 for a single value."""
    return x.diff().abs().mean(-1) if x.shape[-1] > 1 else torch.zeros_like(x[..., 0])


def _log(decibels: Tensor) -> Tensor:
    """The logarithm of a positive statistic, so that very small and very large values are equally far from the mean."""
    return (decibels + LOG_FLOOR).log()


WINDOW_SECONDS = 3.0
"""Length of windows at inference for networks without a fixed length."""
ENTROPY_QUANTILE = 0.95
"""Share of correct validation predictions below the entropy limit."""
ENTROPY_BOUNDS = (0.6, 0.95)
TEXTURE_QUANTILE = 0.98
"""Share of validation windows below the limit of the distance."""
STILL_MARGIN, STILL_QUANTILE = 1.4, 0.01
"""The limit of movement: this multiple of white noise's, or the quantile of the training windows if that is lower."""


def fit_thresholds(
    probabilities_NC: Tensor,
    labels_N: Tensor,
    train: Iterable[Tensor],
    valid: Iterable[Tensor],
    settings: FrontEndSettings,
) -> dict[str, Any]:
    """Fit the thresholds; returns them as plain values for the ``calibration`` of a model file.

    Args:
        probabilities_NC: calibrated probabilities of the validation clips.
        labels_N: their genres.
        train, valid: for each clip its windows [W, M, T] in dB, from `cut`.

    Returns:
        ``entropy_limit``: as a fraction of the largest possible entropy; ``texture_mean`` [F], ``texture_precision``
        [F, F] and ``texture_limit``, ``movement_limit`` in dB: see ``core.models.ood``.
    """
    features_NF = torch.cat([ood_features(windows, settings) for windows in train])
    mean_F, precision_FF = fit_ood_features(features_NF)
    distances = torch.cat([distance(ood_features(windows, settings), mean_F, precision_FF) for windows in valid])
    return {
        "entropy_limit": fit_entropy_limit(probabilities_NC, labels_N),
        "texture_mean": mean_F.tolist(),
        "texture_precision": precision_FF.tolist(),
        "texture_limit": max(1.0, float(distances.quantile(TEXTURE_QUANTILE))),
        "movement_limit": min(
            STILL_MARGIN * noise_movement(settings), 0.9 * float(movement(features_NF).quantile(STILL_QUANTILE))
        ),
    }


def noise_movement(settings: FrontEndSettings) -> float:
    """Movement of white noise after the front end, in dB."""
    generator = torch.Generator().manual_seed(0)
    noise_1N = torch.randn(1, round(WINDOW_SECONDS * settings.sample_rate), generator=generator)
    return float(movement(ood_features(FrontEnd(settings)(noise_1N), settings)))


def cut(mel_MT: Tensor, frames: int) -> Tensor:
    """Cut a clip [M, T] into adjacent windows [W, M, frames], each relative to its own maximum as at inference.

    A remainder is dropped; a clip shorter than a window gives one window of its own length.
    """
    frames = min(frames, mel_MT.shape[1])
    count = mel_MT.shape[1] // frames
    windows_WMT = mel_MT[:, : count * frames].reshape(-1, count, frames).transpose(0, 1).float()
    relative: Tensor = windows_WMT - windows_WMT.amax((1, 2), keepdim=True)
    return relative


def fit_entropy_limit(probabilities_NC: Tensor, labels_N: Tensor) -> float:
    """The entropy limit as a fraction of the largest possible entropy."""
    right_N = probabilities_NC.argmax(1) == labels_N
    if not right_N.any():
        return ENTROPY_BOUNDS[0]
    entropy_N = torch.special.entr(probabilities_NC[right_N]).sum(1) / math.log(probabilities_NC.shape[1])
    return min(max(float(entropy_N.quantile(ENTROPY_QUANTILE)), ENTROPY_BOUNDS[0]), ENTROPY_BOUNDS[1])


class OodDetector(nn.Module):
    """Log-mel windows → OOD scores: their distance from the training set in units of the fitted threshold.

    Attributes:
        mean, precision: [F] and [F, F], of the training set's features.
    """

    mean: Tensor
    precision: Tensor

    def __init__(
        self,
        settings: FrontEndSettings,
        mean: Sequence[float],
        precision: Sequence[Sequence[float]],
        texture_limit: float,
        movement_limit: float,
    ) -> None:
        """
        Raises:
            ValueError: the precision matrix does not match the mean.
        """
        super().__init__()
        self.settings = settings
        self.texture_limit, self.movement_limit = texture_limit, movement_limit
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("precision", torch.tensor(precision))
        if self.precision.shape != (len(self.mean), len(self.mean)):
            raise ValueError("the precision matrix is not square")

    def forward(self, mel_BMT: Tensor) -> Tensor:
        """[B, M, T] in dB → scores [B]; windows above 1 are rejected. Long windows get the mean over their parts."""
        frames = min(self.settings.frames_in(WINDOW_SECONDS), mel_BMT.shape[2])
        starts = range(0, mel_BMT.shape[2] - frames + 1, frames)
        parts = [mel_BMT[:, :, start : start + frames] for start in starts]
        features_BF = ood_features(torch.cat(parts) if len(parts) > 1 else parts[0], self.settings)
        strange = distance(features_BF, self.mean, self.precision) / self.texture_limit
        still = self.movement_limit / movement(features_BF).clamp_min(1e-3)
        return torch.maximum(strange, still).reshape(len(starts), -1).mean(0)
