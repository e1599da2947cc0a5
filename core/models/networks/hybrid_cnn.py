"""A residual network and a linear discriminant over window statistics, whose logits are added.

Their predictions are thereby multiplied (products of experts, Hinton 2002). For unseen artists the discriminant is
much better than the residual network, and the product better than either. The discriminant is fitted in closed form
before training begins. It has memorised the training set and would leave the residual network nothing to learn, so it
is switched off while training.
"""

from torch import Tensor, nn

from core.models.networks.lda_expert import StatisticsExpert
from core.models.networks.residual_cnn import ResidualCNN


class HybridCNN(nn.Module):
    def __init__(
        self,
        *,
        n_mels: int,
        genres: int,
        width: int = 32,
        dropout: float = 0.3,
        shrinkage: float = 0.1,
        bandwidth: float = 3.0,
        logit_scale: float = 0.2,
    ) -> None:
        """Args:
        width, dropout: see `ResidualCNN`.
        shrinkage, bandwidth: see `StatisticsExpert`.
        logit_scale: factor of the summed logits at evaluation; both parts are overconfident, and their sum more so.
        """
        super().__init__()
        self.logit_scale = logit_scale
        self.network = ResidualCNN(n_mels=n_mels, genres=genres, width=width, dropout=dropout)
        self.expert = StatisticsExpert(n_mels, genres, shrinkage=shrinkage, bandwidth=bandwidth)

    def forward(self, mel_BMT: Tensor) -> Tensor:
        """Log-mel [B, M, T ≥ 16] in dB → logits [B, genres]; while training, those of the network alone."""
        logits_BC: Tensor = self.network(mel_BMT)
        if self.training:
            return logits_BC
        expert_BC: Tensor = self.expert(mel_BMT)
        return self.logit_scale * (logits_BC.float() + expert_BC)
