"""Layers that several networks share."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ConvBlock(nn.Sequential):
    """3×3 convolution, batch normalisation, ReLU, 2×2 max pooling: [B, in, M, T] → [B, out, M // 2, T // 2].

    ReLU and max pooling commute, so the ReLU comes last, on a quarter of the values. Outputs and gradients are the
    same, and a training step on a CPU takes an eighth less time.
    """

    own_kernels = False
    """Whether to use `core.models.layers.triton_kernels`: on CUDA, where Triton works."""

    def __init__(self, in_channels: int, out_channels: int, *, momentum: float = 0.1) -> None:
        """Args:
        momentum: momentum of the running statistics.
        """
        super().__init__(
            # The normalisation makes this bias redundant, but the reference network has it.
            nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1),
            nn.BatchNorm2d(out_channels, momentum=momentum),
            nn.MaxPool2d(2),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        convolution, norm, *_ = self
        # The normalisation may be synchronised (another class) or fused away.
        if not (self.own_kernels and isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)):
            for layer in self:
                x = layer(x)
            return x
        # Triton is not available everywhere.
        from core.models.layers.triton_ops import convolve_one_channel, norm_pool_relu

        # The normalisation cancels a bias, so its gradient would be rounding error only.
        if x.shape[1] == 1:
            x = convolve_one_channel(x, convolution.weight)
        else:
            x = F.conv2d(x, convolution.weight, padding=convolution.padding)
        return norm_pool_relu(x.contiguous(memory_format=torch.channels_last), norm, convolution.bias)


class FullyConnected(nn.Linear):
    """A fully connected layer that is computed in float32 even under bfloat16 autocast.

    With so many weights and so few rows, casting the weights to bfloat16 in every step costs more than the product
    saves: for [16, 330,752] by 512, forward and backward, 1.03 s against 0.65 s on one core with AMX; on an H200 a
    step takes 8.9 ms with the cast and 8.6 ms without. It also avoids a crash: oneDNN 3.12 divides by zero for
    [16, 98,304] by 512.
    """

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x.float())


class DenseHead(nn.Sequential):
    """Two hidden layers with batch normalisation, ReLU and dropout, then the logits: [B, in] → [B, genres]."""

    def __init__(self, in_features: int, genres: int, *, dropout: float, momentum: float = 0.1) -> None:
        layers: list[nn.Module] = []
        for width in (512, 256):
            layers += [
                FullyConnected(in_features, width),
                nn.BatchNorm1d(width, momentum=momentum),
                nn.ReLU(inplace=True),
                nn.Dropout(dropout),
            ]
            in_features = width
        super().__init__(*layers, nn.Linear(in_features, genres))


def mean_max_pool(features_BCMT: Tensor) -> Tensor:
    """Mean and maximum over bands and frames, concatenated: [B, C, M, T] → [B, 2 C].

    Plain reductions: the gradient of adaptive pooling has no deterministic kernel on CUDA.
    """
    return torch.cat([features_BCMT.mean((2, 3)), features_BCMT.amax((2, 3))], dim=1)
