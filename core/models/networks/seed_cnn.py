"""The reference network: three convolution blocks and three fully connected layers.

Notable:
- flattens, so it only takes windows of the length that it was built for; at 128 × 1,292 all but 0.2 M of its 169.0 M
  parameters are in the first fully connected layer
- the input is standardised by one mean and one deviation of the training set, whereas the reference uses raw decibels.
  Batch normalisation after the first convolution cancels such a scale, so the functions that the network can represent
  are the same; only the zero padding at the borders is no longer the loudest part of the input.
"""

from torch import Tensor, nn

from core.models.layers.conv import ConvBlock, DenseHead
from core.models.layers.normalisation import Standardise


class SeedCNN(nn.Module):
    def __init__(self, *, n_mels: int, genres: int, frames: int, dropout: float = 0.5) -> None:
        super().__init__()
        if n_mels < 8 or frames < 8:
            raise ValueError(f"three poolings need at least 8 bands and 8 frames, not {n_mels} and {frames}")
        self.frames = frames
        self.standardise = Standardise(1)
        self.blocks = nn.Sequential(ConvBlock(1, 32), ConvBlock(32, 64), ConvBlock(64, 128))
        self.head = DenseHead(128 * (n_mels // 8) * (frames // 8), genres, dropout=dropout)

    def forward(self, mel_BMT: Tensor) -> Tensor:
        """Log-mel [B, M, frames] in dB → logits [B, genres]."""
        x_B1MT = self.standardise(mel_BMT)[:, None]
        features_BCMT = self.blocks(x_B1MT)  # (B, 128, M // 8, T // 8)
        logits_BC: Tensor = self.head(features_BCMT.flatten(1))
        return logits_BC
