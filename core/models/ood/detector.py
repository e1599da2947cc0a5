"""The out-of-distribution detector: decides whether a window resembles the training set, by thresholds fitted to it.

They are fitted when training has ended and stored with the weights: the entropy above which a prediction is uncertain,
and two thresholds for rejecting a window: the distance of its statistics from the training set's, and too little
movement, as in noise or hum.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from core.features.log_mel import FrontEnd
from core.features.settings import FrontEndSettings
from core.models.ood.features import distance, fit_ood_features, movement, ood_features

WINDOW_SECONDS = 3.0
"""Length of the windows at inference, for networks that take any length."""
ENTROPY_QUANTILE = 0.95
"""Share of the correct validation predictions that stay below the entropy limit."""
ENTROPY_BOUNDS = (0.6, 0.95)
TEXTURE_QUANTILE = 0.98
"""Share of validation windows that stay below the limit of the distance."""
STILL_MARGIN, STILL_QUANTILE = 1.4, 0.01
"""A window is still if it moves less than this many times as much as white noise, provided few training windows do."""


def fit_thresholds(
    probabilities_NC: Tensor,
    labels_N: Tensor,
    train: Iterable[Tensor],
    valid: Iterable[Tensor],
    settings: FrontEndSettings,
) -> dict[str, Any]:
    """The limits as plain values, for the ``calibration`` of a model file.

    Args:
        probabilities_NC: calibrated, of the validation clips; labels_N: their true classes.
        train, valid: clip after clip, its windows [W, M, T] in dB, as ``cut`` makes them.

    Returns:
        ``entropy_limit``: as a fraction of the largest possible entropy; ``texture_mean`` [F], ``texture_precision``
        [F, F] and ``texture_limit``, ``movement_limit`` in dB: see ``core.models.ood.features``.
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
    """A clip [M, T] → its windows [W, M, frames] side by side, each relative to its own maximum as at inference.

    A remainder at the end is dropped; a clip shorter than one window is one window of its own length.
    """
    frames = min(frames, mel_MT.shape[1])
    count = mel_MT.shape[1] // frames
    windows_WMT = mel_MT[:, : count * frames].reshape(-1, count, frames).transpose(0, 1).float()
    relative: Tensor = windows_WMT - windows_WMT.amax((1, 2), keepdim=True)
    return relative


def fit_entropy_limit(probabilities_NC: Tensor, labels_N: Tensor) -> float:
    """The entropy below which nearly all correct predictions are, as a fraction of the largest possible."""
    right_N = probabilities_NC.argmax(1) == labels_N
    if not right_N.any():
        return ENTROPY_BOUNDS[0]
    entropy_N = torch.special.entr(probabilities_NC[right_N]).sum(1) / math.log(probabilities_NC.shape[1])
    return min(max(float(entropy_N.quantile(ENTROPY_QUANTILE)), ENTROPY_BOUNDS[0]), ENTROPY_BOUNDS[1])


class OodDetector(nn.Module):
    """Log-mel windows → their distance from the training set, in units of the thresholds fitted to it.

    Attributes:
        mean: [F], precision: [F, F] of the training set's features.
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
        """[B, M, T] in dB → [B]: above 1 is unlike anything known. Of a long window, the mean over its parts."""
        frames = min(self.settings.frames_in(WINDOW_SECONDS), mel_BMT.shape[2])
        starts = range(0, mel_BMT.shape[2] - frames + 1, frames)
        parts = torch.cat([mel_BMT[:, :, start : start + frames] for start in starts])
        features_BF = ood_features(parts, self.settings)
        strange = distance(features_BF, self.mean, self.precision) / self.texture_limit
        still = self.movement_limit / movement(features_BF).clamp_min(1e-3)
        return torch.maximum(strange, still).reshape(len(starts), -1).mean(0)
