"""A linear discriminant (Fisher 1936) over window statistics: an expert that is fitted at once, not trained.

With a few hundred clips of a few dozen artists, a closed form with a regularised covariance generalises better to
artists never heard than anything gradient descent makes of the same numbers.

Suffixes: N windows to fit to, B windows, F statistics, C genres.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from core.models.statistics import WindowStatistics

FLATTEST = 1e-3
"""A statistic that varies less in the training set (the mean of what is standardised, say) is left out."""


class StatisticsExpert(nn.Module):
    """Log-mel windows [B, M, T] in dB → logits [B, genres], all zero until it is fitted."""

    mean: Tensor
    std: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(self, n_mels: int, genres: int, *, shrinkage: float) -> None:
        """Args:
        shrinkage: share of the diagonal in the covariance within genres (Friedman 1989).
        """
        super().__init__()
        self.shrinkage = shrinkage
        self.statistics = WindowStatistics(n_mels)
        self.register_buffer("mean", torch.zeros(self.statistics.count))
        self.register_buffer("std", torch.ones(self.statistics.count))
        self.register_buffer("weight", torch.zeros(genres, self.statistics.count))
        self.register_buffer("bias", torch.zeros(genres))

    def forward(self, mel_BMT: Tensor) -> Tensor:
        with torch.autocast(mel_BMT.device.type, enabled=False):  # a covariance of hundreds is none in bfloat16
            features_BF = _standardised(self.statistics(mel_BMT), self.mean, self.std)
            return nn.functional.linear(features_BF, self.weight, self.bias)

    @torch.no_grad()
    def fit(self, batches: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Fits to windows of the training set with their labels: (mel [B, M, T] in dB, labels [B]) for each batch.

        Every genre counts the same, however many windows it has.
        """
        collected = [(self.statistics(mel_BMT).cpu().double(), labels_B.cpu()) for mel_BMT, labels_B in batches]
        features_NF = torch.cat([features for features, _ in collected])
        labels_N = torch.cat([labels for _, labels in collected])
        std_F, mean_F = torch.std_mean(features_NF, dim=0)
        std_F = std_F.clamp_min(FLATTEST)
        features_NF = _standardised(features_NF, mean_F, std_F)
        one_hot_NC = nn.functional.one_hot(labels_N, len(self.bias)).double()
        shares_NC = one_hot_NC / one_hot_NC.sum(0).clamp_min(1)
        means_CF = shares_NC.T @ features_NF
        within_NF = (features_NF - means_CF[labels_N]) * shares_NC.sum(1, keepdim=True).sqrt()
        covariance_FF = within_NF.T @ within_NF / shares_NC.sum()
        diagonal_FF = covariance_FF.diagonal().clamp_min(1e-6).diag()
        shrunk_FF = torch.lerp(covariance_FF, diagonal_FF, self.shrinkage)
        weight_CF = torch.linalg.solve(shrunk_FF, means_CF.T).T
        self.mean.copy_(mean_F)
        self.std.copy_(std_F)
        self.weight.copy_(weight_CF)
        self.bias.copy_(-0.5 * (weight_CF * means_CF).sum(1))


def _standardised(features_BF: Tensor, mean_F: Tensor, std_F: Tensor) -> Tensor:
    """Every statistic in deviations from its mean; 0 for one that only ever shows rounding errors."""
    return ((features_BF - mean_F) / std_F).where(std_F > FLATTEST, 0.0)


def fit_experts(model: nn.Module, batches: Iterable[tuple[Tensor, Tensor]]) -> None:
    """Fits the `StatisticsExpert` of a network, if it has one, to windows of the training set."""
    for module in model.modules():
        if isinstance(module, StatisticsExpert):
            module.fit(batches)
