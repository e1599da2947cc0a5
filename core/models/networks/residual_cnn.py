"""A short residual network (He et al. 2016) for windows of a few seconds, after Won et al.'s short-chunk CNN (2020).

Notable:
- two views of the input, both level-invariant
- averages before it strides, so that a shift by one frame or band changes little (Zhang 2019)
- mean and maximum over time, taken after the mean over bands
- 0.48 M parameters at the default width; bfloat16 and channels_last make it four times as fast on a recent CPU
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.models.layers.normalisation import TwoViews


class ResidualBlock(nn.Module):
    """Average pooling by ``stride``, two 3×3 convolutions beside a shortcut: [B, in, M, T] → [B, out, ⌈M/s⌉, ⌈T/s⌉]."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(stride, ceil_mode=True) if stride > 1 else nn.Identity()
        self.convolutions = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.shortcut: nn.Module = nn.Identity()
        if in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, kernel_size=1, bias=False), nn.BatchNorm2d(out_channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(x)
        return F.relu(self.convolutions(x) + self.shortcut(x))


class ResidualStack(nn.Sequential):
    """Two-channel input → features at a sixteenth of the resolution: [B, 2, M, T] → [B, 4 width, ⌈M/16⌉, ⌈T/16⌉]."""

    def __init__(self, width: int) -> None:
        super().__init__(
            nn.Conv2d(2, width, kernel_size=5, stride=2, padding=2, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            ResidualBlock(width, 2 * width, stride=2),
            ResidualBlock(2 * width, 3 * width, stride=2),
            ResidualBlock(3 * width, 4 * width, stride=2),
        )


class InBfloat16(nn.Module):
    """A stack of convolutions computed in bfloat16: [B, C, M, T] float32 → float32."""

    def __init__(self, stack: nn.Module) -> None:
        super().__init__()
        self.stack = stack.to(torch.bfloat16)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.stack(x.to(torch.bfloat16, memory_format=torch.channels_last))
        return y.float()


class ResidualCNN(nn.Module):
    def __init__(self, *, n_mels: int, genres: int, width: int = 32, dropout: float = 0.3) -> None:
        """Args:
        width: channels of the first convolution; the blocks have two, three and four times as many.
        dropout: probability, before the last layer.
        """
        super().__init__()
        self.views = TwoViews(n_mels)
        self.features: nn.Module = ResidualStack(width)
        self.dropout = nn.Dropout(dropout)
        self.classify = nn.Linear(2 * 4 * width, genres)

    def forward(self, mel_BMT: Tensor) -> Tensor:
        """Log-mel [B, M, T] in dB, T from 16 frames on → logits [B, genres]."""
        features_BCT = self.features(self.views(mel_BMT)).mean(2)
        pooled_BC = torch.cat([features_BCT.mean(2), features_BCT.amax(2)], dim=1)
        logits_BC: Tensor = self.classify(self.dropout(pooled_BC))
        return logits_BC


def convolve_in_bfloat16(model: nn.Module) -> None:
    """Has every `ResidualCNN` in ``model`` convolve in bfloat16, in place, for evaluation; its logits stay in float32.

    On a CPU with native bfloat16 that takes half to two thirds of the time; logits change by about 0.1%.
    """
    for module in list(model.modules()):
        if isinstance(module, ResidualCNN):
            module.features = InBfloat16(module.features)
