"""What the kernels have to do, on a GPU or under Triton's interpreter: ``python -m tests.support.kernel_checks``.

The interpreter is asked for before Triton is imported, with TRITON_INTERPRET=1, and knows no product of bfloat16.
"""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.models.layers import triton_kernels as kernels
from core.models.layers.conv import ConvBlock
from core.models.layers.triton_ops import convolve_one_channel, norm_pool_relu


def check_norm_pool(
    shape: tuple[int, ...], dtype: torch.dtype, device: str, *, mean: float = 20.0, deviation: float = 3.0
) -> None:
    """Against float64, far from zero, with weights of both signs.

    Where rounding decides on which side of the ReLU's corner a value lies, no gradient is asked for.
    """
    torch.manual_seed(1)
    x = (deviation * torch.randn(shape, device=device) + mean).to(dtype)
    x = x.contiguous(memory_format=torch.channels_last).requires_grad_()
    norm, left_out_C = nn.BatchNorm2d(shape[1], momentum=0.2).to(device), torch.full((shape[1],), 0.5, device=device)
    norm.weight.data.uniform_(-1, 1.5)
    norm.bias.data.normal_()
    exact, exact_x = copy.deepcopy(norm).double(), x.detach().double().requires_grad_()

    y = norm_pool_relu(x, norm, left_out_C)
    exact_pooled = F.max_pool2d(exact(exact_x + left_out_C[:, None, None]), 2)
    exact_y = F.relu(exact_pooled)
    dy = torch.randn(y.shape, device=device).to(dtype).masked_fill(exact_pooled.abs() < 1e-3, 0.0)
    y.backward(dy)
    exact_y.backward(dy.double())

    assert y.dtype == dtype and y.is_contiguous(memory_format=torch.channels_last)
    tolerance = 4e-3 if dtype == torch.bfloat16 else max(1e-5, 1e-7 * mean / deviation)
    _assert_close(y, exact_y, tolerance)
    _assert_close(x.grad, exact_x.grad, tolerance)
    _assert_close(norm.weight.grad, exact.weight.grad, tolerance)
    _assert_close(norm.bias.grad, exact.bias.grad, tolerance)
    _assert_close(norm.running_mean, exact.running_mean, 1e-5)
    _assert_close(norm.running_var, exact.running_var, 1e-5)
    assert norm.num_batches_tracked == exact.num_batches_tracked

    y = norm_pool_relu(x.detach(), norm.eval(), left_out_C)
    exact_y = F.relu(F.max_pool2d(exact.eval()(exact_x.detach() + left_out_C[:, None, None]), 2))
    _assert_close(y, exact_y, tolerance)


def check_no_number(device: str) -> None:
    """NaN stays NaN, so that a training that diverges is noticed."""
    x = torch.randn(2, 32, 4, 4, device=device).contiguous(memory_format=torch.channels_last)
    x[1, 5, 2, 2] = torch.nan
    y = norm_pool_relu(x, nn.BatchNorm2d(32).to(device))
    assert y[:, 5].isnan().all() and not y[:, :5].isnan().any()


def check_one_channel(shape: tuple[int, ...], dtype: torch.dtype, device: str) -> None:
    torch.manual_seed(2)
    x = torch.randn(shape, device=device).to(dtype)
    weight = torch.randn(32, 1, 3, 3, device=device).to(dtype).float().requires_grad_()
    exact_weight = weight.detach().double().requires_grad_()
    y = convolve_one_channel(x, weight)
    dy = torch.randn(y.shape, device=device).to(dtype)
    y.backward(dy)
    exact_y = F.conv2d(x.double(), exact_weight, padding=1)
    exact_y.backward(dy.double())
    assert y.dtype == dtype and y.is_contiguous(memory_format=torch.channels_last)
    tolerance = 4e-3 if dtype == torch.bfloat16 else 2e-3 if x.is_cuda else 1e-5  # a GPU takes TF32
    _assert_close(y, exact_y, tolerance)
    _assert_close(weight.grad, exact_weight.grad, tolerance)


def check_block(channels: int, device: str) -> None:
    """A whole convolution block in float32, as it is and by the kernels, in training and in evaluation."""
    torch.manual_seed(3)
    plain = ConvBlock(channels, 32).to(device)
    ours = copy.deepcopy(plain)
    ours.own_kernels = True
    x = torch.randn(3, channels, 9, 12, device=device)
    tolerance = 5e-3 if x.is_cuda else 1e-5
    y, same = plain(x), ours(x)
    _assert_close(same, y, tolerance)
    dy = torch.randn(y.shape, device=device)
    y.backward(dy)
    same.backward(dy)
    for (name, weight), (_, plain_weight) in zip(ours.named_parameters(), plain.named_parameters(), strict=True):
        assert (weight.grad is None) == (name == "0.bias")
        if weight.grad is not None:
            _assert_close(weight.grad, plain_weight.grad, 2 * tolerance)
    for statistic, plain_statistic in zip(ours.buffers(), plain.buffers(), strict=True):
        _assert_close(statistic, plain_statistic, tolerance)
    _assert_close(ours.eval()(x), plain.eval()(x), tolerance)


def _assert_close(ours: Tensor | None, theirs: Tensor | None, tolerance: float) -> None:
    assert ours is not None and theirs is not None
    ours, theirs = ours.detach().double(), theirs.detach().double()
    error = float((ours - theirs).norm() / theirs.norm())
    assert error <= tolerance, f"{error:.2g} is above {tolerance:.2g}"


if __name__ == "__main__":
    kernels.PROGRAMS = 2  # so that each has several tiles
    for size in ((9, 32, 8, 10), (2, 32, 7, 9), (2, 64, 5, 6), (1, 32, 2, 3)):
        check_norm_pool(size, torch.float32, "cpu")
    check_norm_pool((2, 128, 6, 5), torch.bfloat16, "cpu")
    check_norm_pool((4, 32, 8, 10), torch.float32, "cpu", mean=2000.0, deviation=1.0)
    check_no_number("cpu")
    check_one_channel((4, 1, 9, 11), torch.float32, "cpu")
    check_block(1, "cpu")
    check_block(16, "cpu")
    print("all kernels are right")
