"""Convolutions, then a recurrent network over time (Choi et al. 2017).

Notable:
- the residual network's convolutions
- a bidirectional GRU whose input at each time step is all bands, so that it knows the pitch of a pattern
- the mean over time, not the last state, is classified
"""

import torch
from torch import Tensor, nn

from core.models.layers.normalisation import TwoViews
from core.models.networks.residual_cnn import ResidualStack


class CRNN(nn.Module):
    def __init__(self, *, n_mels: int, genres: int, width: int = 24, hidden: int = 64, dropout: float = 0.3) -> None:
        """Args:
        width: channels of the first convolution.
        hidden: units of the GRU in each direction.
        dropout: dropout probability before the GRU and before the last layer.
        """
        super().__init__()
        self.views = TwoViews(n_mels)
        self.features = ResidualStack(width)
        bands = -(-n_mels // 16)
        self.dropout = nn.Dropout(dropout)
        self.recurrent = nn.GRU(4 * width * bands, hidden, batch_first=True, bidirectional=True)
        self.classify = nn.Linear(2 * hidden, genres)

    def forward(self, mel_BMT: Tensor) -> Tensor:
        """Log-mel [B, M, T ≥ 16] in dB → logits [B, genres]."""
        features_BCMT = self.features(self.views(mel_BMT))
        steps_BTF = features_BCMT.flatten(1, 2).transpose(1, 2)
        states_BTH, _ = self.recurrent(self.dropout(steps_BTF))
        logits_BC: Tensor = self.classify(self.dropout(torch.mean(states_BTH, dim=1)))
        return logits_BC
