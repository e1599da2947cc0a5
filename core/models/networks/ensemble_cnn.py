"""A residual network and an ensemble of experts over window statistics, whose logits are added.

Their predictions are thereby multiplied (products of experts, Hinton 2002). The experts are fitted and weighted before
training begins. They have memorised the training set and would leave the residual network nothing to learn, so they
are switched off while training.
"""

from typing import Any

import torch
from torch import Tensor, nn

from core.models.networks.expert_ensemble import ExpertEnsemble
from core.models.networks.residual_cnn import ResidualCNN

AGREEMENT = 2 / 3
"""How much of a network's weight its experts have said already: with weight 0.4 the sum is best divided by 1.27, on
inner folds of both collections of docs/accuracy.md."""


class EnsembleCNN(nn.Module):
    network_weight: Tensor

    def __init__(
        self,
        *,
        n_mels: int,
        genres: int,
        frame_seconds: float,
        width: int = 32,
        dropout: float = 0.4,
        memory: int = 100,
        network_weight: float = 0.4,
    ) -> None:
        """Args:
        frame_seconds, memory: see `ExpertEnsemble`.
        width, dropout: see `ResidualCNN`.
        network_weight: initial factor of the residual network's logits beside those of the experts; `weigh` changes it.
        """
        super().__init__()
        self.register_buffer("network_weight", torch.tensor(network_weight))
        self.network = ResidualCNN(n_mels=n_mels, genres=genres, width=width, dropout=dropout)
        self.experts = ExpertEnsemble(n_mels, genres, frame_seconds=frame_seconds, memory=memory)

    def forward(self, mel_BMT: Tensor) -> Tensor:
        """Log-mel [B, M, T ≥ 16] in dB → logits [B, genres]; while training, those of the network alone."""
        logits_BC: Tensor = self.network(mel_BMT)
        if self.training:
            return logits_BC
        experts_BC: Tensor = self.experts(mel_BMT)
        return self.network_weight * logits_BC.float() + experts_BC

    def weigh_by_default(self) -> None:
        """Scale the sum down, once the experts are fitted: parts that agree would be too confident together."""
        weight = float(self.network_weight)
        factor = 1 / (1 + AGREEMENT * weight)
        self.weigh(network=weight * factor, experts=factor)

    @torch.no_grad()
    def weigh(self, *, network: float, experts: float) -> None:
        """Set the factor of the residual network's logits, and multiply the experts' by ``experts``."""
        self.network_weight.fill_(network)
        self.experts.scale(experts)

    def describe(self) -> dict[str, Any]:
        """The experts' settings, and the network's weight."""
        return self.experts.describe() | {"network_weight": round(float(self.network_weight), 6)}
