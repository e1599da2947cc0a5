"""A residual network and an ensemble of experts over statistics of the window, whose logits are added.

That multiplies their predictions (products of experts, Hinton 2002). The experts are fitted, and weigh themselves
against each other, before training begins. They have memorised the training set and would leave the residual network
nothing to learn, so they are off while training.
"""

from typing import Any

import torch
from torch import Tensor, nn

from core.models.networks.expert_ensemble import ExpertEnsemble
from core.models.networks.residual_cnn import ResidualCNN


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
        network_weight: float = 0.3,
    ) -> None:
        """Args:
        frame_seconds, memory: see `ExpertEnsemble`.
        width, dropout: of the residual network.
        network_weight: factor of the residual network's logits in the sum, until `weigh` sets another.
        """
        super().__init__()
        self.register_buffer("network_weight", torch.tensor(network_weight))
        self.network = ResidualCNN(n_mels=n_mels, genres=genres, width=width, dropout=dropout)
        self.experts = ExpertEnsemble(n_mels, genres, frame_seconds=frame_seconds, memory=memory)

    def forward(self, mel_BMT: Tensor) -> Tensor:
        """Log-mel [B, M, T] in dB, T from 16 frames on → logits [B, genres]; while training, the network's alone."""
        logits_BC: Tensor = self.network(mel_BMT)
        if self.training:
            return logits_BC
        experts_BC: Tensor = self.experts(mel_BMT)
        return self.network_weight * logits_BC.float() + experts_BC

    @torch.no_grad()
    def weigh(self, *, network: float, experts: float) -> None:
        """Sets the factor of the residual network's logits, and multiplies the experts' by ``experts``."""
        self.network_weight.fill_(network)
        self.experts.scale(experts)

    def describe(self) -> dict[str, Any]:
        """What the experts chose, and the network's weight beside them."""
        return self.experts.describe() | {"network_weight": round(float(self.network_weight), 6)}
