"""A closed-form expert over window statistics: a linear discriminant and stored training clips.

A window is compared with every genre's mean (Fisher 1936) and with every training clip, by the Mahalanobis distance of
the covariance within genres. With a few hundred clips of a few dozen artists, a closed form with a regularised
covariance generalises better to unseen artists than gradient descent on the same statistics. The means generalise, and
the stored clips cover sounds far from their genre's mean; their errors differ, and their average is better than either.

Suffixes: I clips to fit to, W windows of each, N all of these windows, B windows, M mel bands, T frames, F statistics,
C genres, K stored clips per genre.
"""

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from core.models.networks.window_statistics import WindowStatistics

ClipWindows = tuple[Tensor, Tensor]
"""Windows of some clips, log-mel in dB [I, W, M, T], and the clips' labels [I], both on the expert's device."""
FLATTEST = 1e-3
"""Statistics with a smaller deviation in the training set (such as the mean of standardised values) are left out."""
FARTHEST = 3.0
"""Standard deviations at which outliers are clipped (softly) before the covariance is estimated."""
REMEMBERED = 100
"""Maximum of stored clips per genre, chosen evenly: 4 MB for ten genres."""
EXPERT_CLIPS = 3_000
"""Most training clips that an expert is fitted to, chosen evenly: more would only take memory."""
FORGOTTEN = -1e9
"""Logit for an empty slot of the memory."""


def fitted_clips(count: int) -> Tensor:
    """The indices of those of ``count`` training clips that experts are fitted to."""
    return torch.linspace(0, count - 1, min(count, EXPERT_CLIPS)).round().long()


@contextmanager
def full_float32(device: torch.device) -> Iterator[None]:
    """Full float32 precision for matrix products: differences of large sums lose digits in TF32."""
    if device.type != "cuda":
        yield
        return
    allowed = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(allowed)


class StatisticsExpert(nn.Module):
    """Log-mel windows [B, M, T] in dB → logits [B, genres], which are all equal before `fit`."""

    mean: Tensor
    std: Tensor
    weight: Tensor
    bias: Tensor
    clip_weight: Tensor
    clip_bias: Tensor

    def __init__(self, n_mels: int, genres: int, *, shrinkage: float, bandwidth: float) -> None:
        """Args:
        shrinkage: least weight of the diagonal in the covariance within genres (Friedman 1989); it is larger for
            few windows.
        bandwidth: bandwidth of the kernel around each stored clip, in standard deviations within genres.
        """
        super().__init__()
        self.shrinkage = shrinkage
        self.temperature = bandwidth**2
        self.statistics = WindowStatistics(n_mels)
        self.register_buffer("mean", torch.zeros(self.statistics.count))
        self.register_buffer("std", torch.ones(self.statistics.count))
        self.register_buffer("weight", torch.zeros(genres, self.statistics.count))
        self.register_buffer("bias", torch.zeros(genres))
        self.register_buffer("clip_weight", torch.zeros(genres, REMEMBERED, self.statistics.count))
        self.register_buffer("clip_bias", torch.zeros(genres, REMEMBERED))

    def forward(self, mel_BMT: Tensor) -> Tensor:
        # bfloat16 is too coarse for covariances of hundreds of statistics.
        with torch.autocast(mel_BMT.device.type, enabled=False), full_float32(mel_BMT.device):
            features_BF = standardised(self.statistics(mel_BMT), self.mean, self.std)
            by_means_BC = nn.functional.linear(features_BF, self.weight, self.bias)
            each_BCK = torch.einsum("bf,ckf->bck", features_BF, self.clip_weight) + self.clip_bias
            by_clips_BC = self.temperature * torch.logsumexp(each_BCK / self.temperature, dim=2)
            return (by_means_BC + by_clips_BC) / 2

    @torch.no_grad()
    def fit(self, clips: Iterable[ClipWindows]) -> None:
        """Fit to windows of the training set.

        All genres have equal weight, regardless of their number of clips. All clips have the same number of windows.
        """
        features_IWF, labels_I = self._measured(clips)
        labels_N = labels_I.repeat_interleave(features_IWF.shape[1])
        features_NF = features_IWF.flatten(0, 1)
        std_F, mean_F = torch.std_mean(features_NF, dim=0)
        std_F = std_F.clamp_min(FLATTEST)
        features_NF = standardised(features_NF, mean_F, std_F)
        one_hot_NC = nn.functional.one_hot(labels_N, len(self.bias)).double()
        shares_NC = one_hot_NC / one_hot_NC.sum(0).clamp_min(1)
        means_CF = shares_NC.T @ features_NF
        within_NF = (features_NF - means_CF[labels_N]) * shares_NC.sum(1, keepdim=True).sqrt()
        covariance_FF = within_NF.T @ within_NF / shares_NC.sum()
        diagonal_FF = covariance_FF.diagonal().clamp_min(1e-6).diag()
        # With fewer windows than statistics the covariance is singular, and is shrunk further.
        unknown = 1 - (len(features_NF) - len(self.bias)) / features_NF.shape[1]
        shrunk_FF = torch.lerp(covariance_FF, diagonal_FF, min(1.0, max(self.shrinkage, unknown)))
        self.mean.copy_(mean_F)
        self.std.copy_(std_F)
        lower_FF = torch.linalg.cholesky(shrunk_FF)
        compare_with(means_CF, lower_FF, self.weight, self.bias)

        clips_IF = features_NF.view_as(features_IWF).mean(1)
        self.clip_weight.zero_()
        self.clip_bias.fill_(FORGOTTEN)
        for genre, (weight_KF, bias_K) in enumerate(zip(self.clip_weight, self.clip_bias, strict=True)):
            known_IF = clips_IF[labels_I == genre]
            if not len(known_IF):
                known_IF = means_CF[genre : genre + 1]  # a genre without clips gets the overall mean
            kept = min(REMEMBERED, len(known_IF))
            known_KF = known_IF[torch.linspace(0, len(known_IF) - 1, kept).round().long()]
            compare_with(known_KF, lower_FF, weight_KF[:kept], bias_K[:kept])
            bias_K[:kept] -= self.temperature * math.log(kept)  # genres with many clips must not be more likely

    def _measured(self, clips: Iterable[ClipWindows]) -> tuple[Tensor, Tensor]:
        """The statistics of all clips' windows, [I, W, F] float64, and the clips' labels, [I]."""
        features, labels = [], []
        for mel_IWMT, labels_I in clips:
            with full_float32(mel_IWMT.device):
                features.append(self.statistics(mel_IWMT.flatten(0, 1)).view(*mel_IWMT.shape[:2], -1).double())
            labels.append(labels_I)
        return torch.cat(features), torch.cat(labels)


def compare_with(points_KF: Tensor, lower_FF: Tensor, weight_KF: Tensor, bias_K: Tensor) -> None:
    """Set weight and bias so that ``weight @ x + bias`` is -½ the squared Mahalanobis distance of x from each point.

    A term that depends on x alone, and so is equal for all points, is left out. ``lower_FF`` is the Cholesky factor of
    the covariance.
    """
    weight_KF.copy_(torch.cholesky_solve(points_KF.T, lower_FF).T)
    bias_K.copy_(-0.5 * (weight_KF.double() * points_KF).sum(1))


def standardised(features_BF: Tensor, mean_F: Tensor, std_F: Tensor) -> Tensor:
    """Standardised statistics, softly clipped at `FARTHEST`; 0 for those that vary only by rounding errors."""
    deviations_BF = ((features_BF - mean_F) / std_F).where(std_F > FLATTEST, 0.0)
    return FARTHEST * torch.tanh(deviations_BF / FARTHEST)
