"""Two operations on CUDA with gradients: normalisation with pooling and ReLU, and a convolution of one channel.

As separate operations, batch normalisation, 2×2 max pooling and ReLU read or write a convolution's output, by far the
largest tensor of a step, about fifteen times. Fused, it is read four times (moments, maxima, the two sums in the
gradient of batch normalisation (Ioffe & Szegedy 2015), and the gradient), and its gradient is written once. The
position of each maximum is recomputed instead of stored.

A 3×3 convolution of a single channel takes cuDNN four times as long: with one channel both memory formats coincide, and
a matrix product over nine neighbours is too narrow for its kernels.

Reductions are deterministic. Suffixes: B batch, C channels, H and W height and width, K nine neighbours padded to 16,
P programs."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.models.layers import triton_kernels as kernels

VALUES = 2048
"""Elements that a program handles at a time."""


def norm_pool_relu(x_BCHW: Tensor, norm: nn.BatchNorm2d, left_out_C: Tensor | None = None) -> Tensor:
    """``norm``, `nn.MaxPool2d` (2) and `nn.ReLU` of ``x_BCHW``: [B, C, H // 2, W // 2].

    Training updates the running statistics; evaluation uses them and has no gradient.

    Args:
        x_BCHW: in the memory format channels_last; C is a power of two.
        left_out_C: a bias that was not added to ``x_BCHW``. In training it only affects the running mean.
    """
    assert norm.running_mean is not None and norm.running_var is not None and norm.num_batches_tracked is not None
    assert norm.momentum is not None
    if not norm.training:
        mean_C = norm.running_mean if left_out_C is None else norm.running_mean - left_out_C
        return _pooled(x_BCHW, mean_C, torch.rsqrt(norm.running_var + norm.eps), norm.weight, norm.bias)
    y_BCHW, mean_C, var_C = _NormPoolReLU.apply(x_BCHW, norm.weight, norm.bias, norm.eps)  # type: ignore[no-untyped-call]
    rows = x_BCHW.numel() // x_BCHW.shape[1]
    with torch.no_grad():
        norm.num_batches_tracked += 1
        norm.running_mean.lerp_(mean_C if left_out_C is None else mean_C + left_out_C, norm.momentum)
        norm.running_var.lerp_(var_C * (rows / (rows - 1)), norm.momentum)
    result: Tensor = y_BCHW
    return result


class _NormPoolReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x_BCHW: Tensor, weight_C: Tensor, bias_C: Tensor, eps: float) -> tuple[Tensor, ...]:
        """Also gives the mean and the biased variance [C] of ``x_BCHW``, which have no gradient."""
        batch, channels, height, width = x_BCHW.shape
        rows, tile = batch * height * width, _tile(channels)
        sums_P2C = kernels.empty_sums(-(-rows // tile), 2, channels, like=x_BCHW)
        with kernels.launched_where(x_BCHW):
            kernels.sum_moments[(len(sums_P2C),)](x_BCHW, sums_P2C, rows, channels, tile)
        offset_C, square_C = (sums_P2C.sum(0, dtype=torch.float64) / rows).unbind()
        var_C = (square_C - offset_C.square()).float()
        mean_C = offset_C.float() + x_BCHW[0, :, 0, 0]
        of_x = x_BCHW, mean_C, torch.rsqrt(var_C + eps), weight_C, bias_C
        ctx.save_for_backward(*of_x)
        ctx.mark_non_differentiable(mean_C, var_C)
        return _pooled(*of_x), mean_C, var_C

    @staticmethod
    def backward(ctx: Any, dy_BCHW: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        of_x = ctx.saved_tensors
        batch, channels, height, width = of_x[0].shape
        tile = _tile(channels)
        dy_BCHW = dy_BCHW.contiguous(memory_format=torch.channels_last)
        windows = dy_BCHW.numel() // channels
        sums_P2C = kernels.empty_sums(-(-windows // tile), 2, channels, like=dy_BCHW)
        dx_BCHW = torch.empty_like(of_x[0])
        with kernels.launched_where(dy_BCHW):
            kernels.sum_gradients[(len(sums_P2C),)](*of_x, dy_BCHW, sums_P2C, windows, height, width, channels, tile)
            sums_2C = sums_P2C.sum(0)
            windows = batch * -(-height // 2) * -(-width // 2)
            kernels.gradient[(-(-windows // tile),)](
                *of_x, dy_BCHW, sums_2C, dx_BCHW, windows, height, width, channels, tile
            )
        dbias_C, dweight_C = sums_2C.unbind()
        return dx_BCHW, dweight_C, dbias_C, None


def _pooled(x_BCHW: Tensor, mean_C: Tensor, rstd_C: Tensor, weight_C: Tensor, bias_C: Tensor) -> Tensor:
    batch, channels, height, width = x_BCHW.shape
    y_BCHW = kernels.empty_picture(batch, channels, height // 2, width // 2, like=x_BCHW)
    windows, tile = y_BCHW.numel() // channels, _tile(channels)
    with kernels.launched_where(x_BCHW):
        kernels.pool[(-(-windows // tile),)](
            x_BCHW, mean_C, rstd_C, weight_C, bias_C, y_BCHW, windows, height, width, channels, tile
        )
    return y_BCHW


def _tile(channels: int) -> int:
    """Rows or windows per tile: a power of two, as the channels are."""
    return max(1, VALUES // channels)


TILE = 128
"""Rows per tile."""


def convolve_one_channel(x_B1HW: Tensor, weight_C133: Tensor) -> Tensor:
    """``F.conv2d(x, weight, padding=1)`` in the memory format channels_last, [B, C, H, W]; x gets no gradient.

    C is a power of two, at least 16. Under autocast the result has its dtype, as with `F.conv2d`.
    """
    dtype = torch.get_autocast_dtype("cuda") if torch.is_autocast_enabled("cuda") else x_B1HW.dtype
    result: Tensor = _OneChannel.apply(x_B1HW.to(dtype).contiguous(), weight_C133)  # type: ignore[no-untyped-call]
    return result


class _OneChannel(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x_B1HW: Tensor, weight_C133: Tensor) -> Tensor:
        batch, _, height, width = x_B1HW.shape
        channels, rows = len(weight_C133), batch * height * width
        weight_KC = F.pad(weight_C133.detach().reshape(channels, 9).T, (0, 0, 0, 7)).to(x_B1HW.dtype).contiguous()
        y_BCHW = kernels.empty_picture(batch, channels, height, width, like=x_B1HW)
        with kernels.launched_where(x_B1HW):
            kernels.convolve[(-(-rows // TILE),)](x_B1HW, weight_KC, y_BCHW, rows, height, width, channels, TILE)
        ctx.save_for_backward(x_B1HW)
        return y_BCHW

    @staticmethod
    def backward(ctx: Any, dy_BCHW: Tensor) -> tuple[None, Tensor]:
        (x_B1HW,) = ctx.saved_tensors
        batch, channels, height, width = dy_BCHW.shape
        dy_BCHW = dy_BCHW.contiguous(memory_format=torch.channels_last)
        rows = batch * height * width
        sums_PKC = kernels.empty_sums(-(-rows // TILE), 16, channels, like=x_B1HW)
        with kernels.launched_where(x_B1HW):
            kernels.sum_products[(len(sums_PKC),)](x_B1HW, dy_BCHW, sums_PKC, rows, height, width, channels, TILE)
        return None, sums_PKC.sum(0)[:9].T.reshape(channels, 1, 3, 3)
