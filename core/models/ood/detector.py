"""The out-of-distribution detector: decides whether a window resembles the training set."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from core.features.settings import FrontEndSettings
from core.models.ood.features import distance, movement, ood_features
from core.models.ood.thresholds import WINDOW_SECONDS


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
