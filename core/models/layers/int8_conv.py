"""Convolutions of residual blocks in integers of 8 bits, for evaluation on a CPU with VNNI or AMX.

Weights have a scale per output channel and activations one per layer (Jacob et al. 2018). The activations' largest
value is not measured but follows from the batch normalisation before them (Nagel et al. 2019), so any trained model can
be converted, and its results do not depend on what it has seen since.
"""

import functools
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

DEVIATIONS = 6.0
"""Standard deviations above the mean up to which an activation is represented; the few beyond are clipped."""
LARGEST_CODE = 255


@torch.no_grad()
def largest_after(*norms: nn.Module) -> float:
    """The largest value to represent of the sum of these batch normalisations' outputs."""
    mean_C = torch.stack([norm.get_parameter("bias") for norm in norms]).sum(0)
    std_C = torch.stack([norm.get_parameter("weight") for norm in norms]).square().sum(0).sqrt()
    return max(1e-3, float((mean_C + DEVIATIONS * std_C).max()))


def encode(x: Tensor, largest: float) -> Tensor:
    """Values from 0 to ``largest`` as codes from 0 to 255, uint8."""
    rounded = torch.add(torch.tensor(0.5), x.float(), alpha=LARGEST_CODE / largest)
    return rounded.clamp_max_(LARGEST_CODE).to(torch.uint8)


class Int8Conv:
    """A convolution of codes, with the batch normalisation after it."""

    def __init__(self, convolution: nn.Module, norm: nn.Module, largest: float) -> None:
        """Args:
        largest: value of the input that the code 255 stands for.
        """
        assert isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
        fused = fuse_conv_bn_eval(convolution, norm)
        weight_OIHW = fused.weight.detach().float()
        self.scale_O = weight_OIHW.abs().amax((1, 2, 3)).clamp_min(1e-12) / 127
        self.codes_OIHW = (weight_OIHW / self.scale_O[:, None, None, None]).round().to(torch.int8)
        self.zero_O = torch.zeros(len(self.scale_O), dtype=torch.int32)
        assert fused.bias is not None
        self.bias_O = fused.bias.detach().float()
        self.input_scale = largest / LARGEST_CODE
        self.geometry = (list(fused.stride), list(fused.padding), list(fused.dilation), fused.groups)
        self._packed: dict[tuple[int, ...], Tensor] = {}

    def relu(self, codes: Tensor, largest: float) -> Tensor:
        """Codes (B, C, H, W), channels last → codes of the rectified result, up to ``largest``."""
        out: Tensor = torch.ops.onednn.qconv2d_pointwise(
            *self._operands(codes), self.bias_O, *self.geometry, largest / LARGEST_CODE, 0, torch.uint8, "relu", [], ""
        )
        return out

    def linear(self, codes: Tensor) -> Tensor:
        """Codes (B, C, H, W) → the result in bfloat16."""
        out: Tensor = torch.ops.onednn.qconv2d_pointwise(
            *self._operands(codes), self.bias_O, *self.geometry, 1.0, 0, torch.bfloat16, "none", [], ""
        )
        return out

    def add_relu(self, codes: Tensor, to: Tensor) -> Tensor:
        """Codes (B, C, H, W) → the rectified sum of the result and ``to``, in bfloat16; ``to`` is overwritten."""
        add: Sequence[Any] = (1.0, 0, torch.bfloat16, 1.0, 0, "sum", 1.0, "relu", [], "")
        out: Tensor = torch.ops.onednn.qconv2d_pointwise.binary(
            *self._operands(codes), to, self.bias_O, *self.geometry, *add
        )
        return out

    def _operands(self, codes: Tensor) -> Sequence[Any]:
        size = tuple(codes.shape[2:])
        if size not in self._packed:  # the order of the weights in memory depends on it
            self._packed[size] = torch.ops.onednn.qconv_prepack(
                self.codes_OIHW, self.scale_O, self.input_scale, 0, *self.geometry, list(codes.shape)
            )
        return codes, self.input_scale, 0, self._packed[size], self.scale_O, self.zero_O


@functools.cache
@torch.no_grad()
def has_int8() -> bool:
    """Whether this CPU multiplies integers of 8 bits fast. A layer is tried, since PyTorch may change its operators."""
    if not torch.cpu._is_vnni_supported():
        return False
    layer = nn.Conv2d(4, 4, kernel_size=1, bias=False).eval(), nn.BatchNorm2d(4).eval()
    codes = torch.zeros(1, 4, 2, 2, dtype=torch.uint8).contiguous(memory_format=torch.channels_last)
    try:
        convolution = Int8Conv(*layer, largest=1.0)
        zeros = convolution.add_relu(convolution.relu(codes, 1.0), convolution.linear(codes))
    except (AttributeError, RuntimeError, TypeError) as error:
        warnings.warn(f"int8 convolutions do not work here, using bfloat16 instead: {error}", stacklevel=1)
        return False
    return bool((zeros == 0).all())
