"""Convolutions in int8 against the same ones in float32."""

import pytest
import torch
from torch import nn

from core.models.layers.int8_conv import Int8Conv, encode, has_int8, largest_after

needs_int8 = pytest.mark.skipif(not has_int8(), reason="this CPU has no fast int8 products")


def layer(inputs: int, outputs: int) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    torch.manual_seed(inputs)
    norm = nn.BatchNorm2d(outputs)
    nn.init.normal_(norm.weight, 1, 0.2)
    nn.init.normal_(norm.bias, 0, 0.2)
    nn.init.uniform_(norm.get_buffer("running_var"), 0.5, 2)
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False).eval(), norm.eval()


def test_encode_rounds_and_clips() -> None:
    codes = encode(torch.tensor([0.0, 1.0, 1.1, 1.9, 4.0, 9.0]), 4.0)
    assert codes.dtype == torch.uint8
    assert codes.tolist() == [0, 64, 70, 121, 255, 255]


def test_hardly_any_value_exceeds_the_largest() -> None:
    (convolution, norm), images = layer(3, 8), torch.randn(64, 3, 16, 16)
    with torch.no_grad():
        convolved = convolution(images)
        norm.running_mean, norm.running_var = convolved.mean((0, 2, 3)), convolved.var((0, 2, 3))
        assert norm(convolved).max() < largest_after(norm) < 2 * norm(convolved).max()


@needs_int8
@torch.no_grad()
@pytest.mark.parametrize(("inputs", "outputs"), [(32, 64), (96, 96), (7, 5)])
def test_agrees_with_float32_for_any_batch_and_size(inputs: int, outputs: int) -> None:
    convolution, norm = layer(inputs, outputs)
    int8 = Int8Conv(convolution, norm, 2.0)
    for batch, height, width in ((3, 8, 5), (1, 8, 5), (2, 3, 20)):
        x = 2 * torch.rand(batch, inputs, height, width).contiguous(memory_format=torch.channels_last)
        exact, codes, other = norm(convolution(x)), encode(x, 2.0), torch.randn(batch, outputs, height, width)
        torch.testing.assert_close(int8.linear(codes).float(), exact, atol=0.05, rtol=0.02)
        torch.testing.assert_close(int8.relu(codes, 4.0).float() * (4 / 255), exact.clamp(0, 4), atol=0.05, rtol=0.02)
        to = other.to(torch.bfloat16, memory_format=torch.channels_last)
        torch.testing.assert_close(int8.add_relu(codes, to).float(), (exact + other).relu(), atol=0.05, rtol=0.02)
