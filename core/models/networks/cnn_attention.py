"""Convolutions, then a small transformer encoder over time (after Won et al. 2021, "Semi-supervised music tagging
transformer").

Notable:
- the residual network's convolutions; each time step of their output, with all bands, is a token
- sinusoidal positions, which allow any length
- a learnt class token whose output is classified
"""

import math

import torch
from torch import Tensor, nn

from core.models.layers.normalisation import TwoViews
from core.models.networks.residual_cnn import ResidualStack


class CNNAttention(nn.Module):
    def __init__(
        self,
        *,
        n_mels: int,
        genres: int,
        width: int = 24,
        depth: int = 2,
        heads: int = 4,
        dropout: float = 0.2,
    ) -> None:
        """Args:
        width: channels of the first convolution; tokens have four times as many, a multiple of ``heads``.
        depth: layers of the transformer encoder.
        dropout: dropout probability in the encoder.

        Raises:
            ValueError: ``heads`` does not divide the channels.
        """
        super().__init__()
        if 4 * width % heads:
            raise ValueError(f"heads must divide four times the width, {4 * width}, and {heads} does not")
        self.views = TwoViews(n_mels)
        self.features = ResidualStack(width)
        size = 4 * width
        self.project = nn.Linear(size * -(-n_mels // 16), size)
        self.summary = nn.Parameter(torch.zeros(1, 1, size))
        layer = nn.TransformerEncoderLayer(
            size, heads, 2 * size, dropout, activation="gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, depth, norm=nn.LayerNorm(size), enable_nested_tensor=False)
        self.classify = nn.Linear(size, genres)

    def forward(self, mel_BMT: Tensor) -> Tensor:
        """Log-mel [B, M, T ≥ 16] in dB → logits [B, genres]."""
        features_BCMT = self.features(self.views(mel_BMT))
        tokens_BTF = self.project(features_BCMT.flatten(1, 2).transpose(1, 2))
        tokens_BTF = tokens_BTF + _positions(tokens_BTF)
        summary_B1F = self.summary.expand(tokens_BTF.shape[0], -1, -1)
        encoded_BTF = self.encoder(torch.cat([summary_B1F, tokens_BTF], dim=1))
        logits_BC: Tensor = self.classify(encoded_BTF[:, 0])
        return logits_BC


def _positions(tokens_BTF: Tensor) -> Tensor:
    """Sinusoidal positions (Vaswani et al. 2017): [T, F]."""
    _, steps, size = tokens_BTF.shape
    rate_F = torch.exp(torch.arange(0, size, 2, device=tokens_BTF.device) * (-math.log(10_000) / size))
    angle_TF = torch.arange(steps, device=tokens_BTF.device)[:, None] * rate_F
    return torch.cat([angle_TF.sin(), angle_TF.cos()], dim=1)
