"""A 3×3 convolution of a single channel on CUDA, with its gradient.

cuDNN takes four times as long: with one channel both memory formats coincide, and a matrix product over nine
neighbours is too narrow for its kernels. Reductions are deterministic.

Suffixes: B batch, C channels, H and W height and width, K nine neighbours padded to 16, P programs.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from core.models.layers import triton_kernels as kernels

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
