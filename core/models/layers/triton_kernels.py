"""The kernels of `core.models.layers.triton_ops`, in Triton.

A tensor in channels_last format is seen as rows, one per pixel, of C channels. A tile is a block of rows, or of 2×2
pooling windows.

Suffixes: C channels, K the 3×3 neighbours of a pixel padded to 16, R rows, V pooling windows. H and W are height and
width before pooling.
"""

from contextlib import AbstractContextManager

import torch
import triton
import triton.language as tl

PROGRAMS = 1056
"""Most programs that share a reduction: eight per multiprocessor of a large GPU."""
SIZES = ["rows", "windows", "H", "W"]
"""Arguments whose values do not specialise a kernel."""


def empty_sums(tiles: int, *shape: int, like: torch.Tensor) -> torch.Tensor:
    """Allocate partial sums, float32 [P, *shape], on the device of ``like``; every program has at least one tile."""
    return torch.empty(min(PROGRAMS, tiles), *shape, device=like.device)


def empty_picture(*shape: int, like: torch.Tensor) -> torch.Tensor:
    """Allocate [B, C, H, W] in channels_last format, with the dtype and on the device of ``like``."""
    return torch.empty(shape, dtype=like.dtype, device=like.device, memory_format=torch.channels_last)


def launched_where(x: torch.Tensor) -> AbstractContextManager[object]:
    """Make the tensor's device current: Triton launches on the current device, not on that of its arguments."""
    return torch.cuda.device_of(x)


@triton.jit(do_not_specialize=SIZES)
def sum_moments(x, sums, rows, C: tl.constexpr, TILE: tl.constexpr):
    """Sums of x and x² over each program's rows, shifted by the first row so that a large mean costs no precision."""
    channel = tl.arange(0, C)
    zero_C = tl.load(x + channel).to(tl.float32)
    sum_RC = tl.zeros((TILE, C), tl.float32)
    square_RC = tl.zeros((TILE, C), tl.float32)
    begin = tl.program_id(0) * TILE
    while begin < rows:
        row = begin + tl.arange(0, TILE)
        there = (row < rows)[:, None]
        x_RC = tl.load(x + _places(row, C), mask=there, other=0.0).to(tl.float32)
        x_RC = tl.where(there, x_RC - zero_C[None, :], 0.0)
        sum_RC += x_RC
        square_RC += x_RC * x_RC
        begin += tl.num_programs(0) * TILE
    _store_sums(sums, sum_RC, square_RC, C)


@triton.jit(do_not_specialize=SIZES)
def pool(x, mean, rstd, weight, bias, y, windows, H, W, C: tl.constexpr, TILE: tl.constexpr):
    """The maximum of each window after normalisation and ReLU."""
    window = tl.program_id(0) * TILE + tl.arange(0, TILE)
    there = (window < windows)[:, None]
    at = _first_places(window, H // 2, W // 2, H, W, C)
    _, value_VC, _ = _largest(x, mean, rstd, weight, bias, at, there, there, W, C)
    value_VC = tl.where(value_VC <= 0.0, 0.0, value_VC)  # NaN stays NaN
    tl.store(y + _places(window, C), value_VC, mask=there)


@triton.jit(do_not_specialize=SIZES)
def sum_gradients(x, mean, rstd, weight, bias, dy, sums, windows, H, W, C: tl.constexpr, TILE: tl.constexpr):
    """Sums of the gradient before pooling, and of its product with the normalised x, over each program's windows."""
    sum_VC = tl.zeros((TILE, C), tl.float32)
    product_VC = tl.zeros((TILE, C), tl.float32)
    begin = tl.program_id(0) * TILE
    while begin < windows:
        window = begin + tl.arange(0, TILE)
        there = (window < windows)[:, None]
        at = _first_places(window, H // 2, W // 2, H, W, C)
        normal_VC, value_VC, _ = _largest(x, mean, rstd, weight, bias, at, there, there, W, C)
        dy_VC = tl.load(dy + _places(window, C), mask=there, other=0.0).to(tl.float32)
        dy_VC = tl.where(value_VC > 0.0, dy_VC, 0.0)
        sum_VC += dy_VC
        product_VC += dy_VC * normal_VC
        begin += tl.num_programs(0) * TILE
    _store_sums(sums, sum_VC, product_VC, C)


@triton.jit(do_not_specialize=SIZES)
def gradient(x, mean, rstd, weight, bias, dy, sums, dx, windows, H, W, C: tl.constexpr, TILE: tl.constexpr):
    """The gradient of every row, including rows at an odd edge, which belong to no pooling window."""
    channel = tl.arange(0, C)
    window = tl.program_id(0) * TILE + tl.arange(0, TILE)
    down, across = (H + 1) // 2, (W + 1) // 2
    rows = windows // across // down * H * W
    h, w = window // across % down, window % across
    there = (window < windows)[:, None]
    right, below = there & (2 * w + 1 < W)[:, None], there & (2 * h + 1 < H)[:, None]
    whole = right & below
    at = _first_places(window, down, across, H, W, C)
    _, value_VC, which_VC = _largest(x, mean, rstd, weight, bias, at, there, whole, W, C)
    pooled = (window // across // down * (H // 2) + h) * (W // 2) + w
    dy_VC = tl.load(dy + _places(pooled, C), mask=whole, other=0.0).to(tl.float32)
    dy_VC = tl.where(value_VC > 0.0, dy_VC, 0.0)
    mean_C, rstd_C = tl.load(mean + channel), tl.load(rstd + channel)
    scale_C = rstd_C * tl.load(weight + channel)
    mean_dy_C, mean_product_C = tl.load(sums + channel) / rows, tl.load(sums + C + channel) / rows
    for k in tl.static_range(4):
        tap_there = there if k == 0 else right if k == 1 else below if k == 2 else whole
        tap_at = at + (k // 2 * W + k % 2) * C
        tap_VC = tl.load(x + tap_at, mask=tap_there, other=0.0).to(tl.float32)
        normal_VC = (tap_VC - mean_C[None, :]) * rstd_C[None, :]
        own_VC = tl.where(which_VC == k, dy_VC, 0.0) - mean_dy_C[None, :] - normal_VC * mean_product_C[None, :]
        tl.store(dx + tap_at, scale_C[None, :] * own_VC, mask=tap_there)


@triton.jit
def _largest(x, mean, rstd, weight, bias, at, there, whole, W, C: tl.constexpr):
    """For the maximum of each window: the normalised x, the value after weight and bias, and its position of four."""
    channel = tl.arange(0, C)
    mean_C, rstd_C = tl.load(mean + channel), tl.load(rstd + channel)
    weight_C, bias_C = tl.load(weight + channel), tl.load(bias + channel)
    normal_VC = (tl.load(x + at, mask=there, other=0.0).to(tl.float32) - mean_C[None, :]) * rstd_C[None, :]
    value_VC = normal_VC * weight_C[None, :] + bias_C[None, :]
    which_VC = tl.zeros(value_VC.shape, tl.int32)
    for k in tl.static_range(1, 4):
        tap_VC = tl.load(x + at + (k // 2 * W + k % 2) * C, mask=whole, other=0.0).to(tl.float32)
        tap_VC = (tap_VC - mean_C[None, :]) * rstd_C[None, :]
        tap_value_VC = tap_VC * weight_C[None, :] + bias_C[None, :]
        better = tap_value_VC > value_VC
        normal_VC = tl.where(better, tap_VC, normal_VC)
        value_VC = tl.where(better, tap_value_VC, value_VC)
        which_VC = tl.where(better, k, which_VC)
    return normal_VC, value_VC, which_VC


@triton.jit
def _first_places(window, down, across, H, W, C: tl.constexpr):
    """Index of the first of each window's four rows, with ``down`` by ``across`` windows per image."""
    row = (window // across // down * H + window // across % down * 2) * W + window % across * 2
    return _places(row, C)


@triton.jit
def _places(row, C: tl.constexpr):
    return row.to(tl.int64)[:, None] * C + tl.arange(0, C)[None, :]


@triton.jit
def _store_sums(sums, one_RC, other_RC, C: tl.constexpr):
    out = sums + tl.program_id(0) * 2 * C + tl.arange(0, C)
    tl.store(out, tl.sum(one_RC, 0))
    tl.store(out + C, tl.sum(other_RC, 0))


@triton.jit(do_not_specialize=SIZES)
def convolve(x, weight, y, rows, H, W, C: tl.constexpr, TILE: tl.constexpr):
    """3×3 convolution of the one channel of ``x``; ``weight`` is [K, C]."""
    row = tl.program_id(0) * TILE + tl.arange(0, TILE)
    weight_KC = tl.load(weight + _places(tl.arange(0, 16), C))
    y_RC = tl.dot(_neighbours(x, row, rows, H, W), weight_KC)
    tl.store(y + _places(row, C), y_RC, mask=(row < rows)[:, None])


@triton.jit(do_not_specialize=SIZES)
def sum_products(x, dy, sums, rows, H, W, C: tl.constexpr, TILE: tl.constexpr):
    """Partial sums of the weights' gradient over each program's rows, [K, C]."""
    sum_KC = tl.zeros((16, C), tl.float32)
    begin = tl.program_id(0) * TILE
    while begin < rows:
        row = begin + tl.arange(0, TILE)
        dy_RC = tl.load(dy + _places(row, C), mask=(row < rows)[:, None], other=0.0)
        sum_KC = tl.dot(tl.trans(_neighbours(x, row, rows, H, W)), dy_RC, sum_KC)
        begin += tl.num_programs(0) * TILE
    tl.store(sums + tl.program_id(0) * 16 * C + _places(tl.arange(0, 16), C), sum_KC)


@triton.jit
def _neighbours(x, row, rows, H, W):
    """The zero-padded 3×3 neighbourhood of each pixel of a one-channel image: [R, K]."""
    k = tl.arange(0, 16)[None, :]
    down, right = k // 3 - 1, k % 3 - 1
    h, w = (row // W % H)[:, None] + down, (row % W)[:, None] + right
    there = (k < 9) & (row < rows)[:, None] & (h >= 0) & (h < H) & (w >= 0) & (w < W)
    return tl.load(x + row.to(tl.int64)[:, None] + down * W + right, mask=there, other=0.0)
