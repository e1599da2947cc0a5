"""The operations of window statistics along time, as products with matrices that are cached per window length.

Suffixes: T frames, B windows, R rows, S scales, N frequencies.
"""

import math
from collections.abc import Callable
from functools import cache, wraps
from itertools import accumulate, pairwise
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

Made = TypeVar("Made")
Function = Callable[[int, torch.device], Made]


def made_once(function: Function[Made]) -> Function[Made]:
    """Cache the results of ``function`` by size and device, for good: captured CUDA graphs read them.

    There is no caching while a network is exported or compiled, because its tensors are symbolic then.
    """
    kept = cache(function)

    @wraps(function)
    def made(size: int, device: torch.device) -> Made:
        return function(size, device) if torch.compiler.is_compiling() else kept(size, device)

    return made


GROUP_SCALES, HARMONIC_SCALES = 5, 3
"""Number of block lengths, each twice the previous one, at which changes are measured along time and along bands."""
FLUCTUATIONS = 10
"""Number of bands of modulation frequency."""


class TimeMaps(NamedTuple):
    """Matrices for windows of one length."""

    movement: Tensor
    """Means over the differences between the frames of each of `halves` and the window itself: [S, T' - 1]."""
    halves: Tensor
    """Means over the frames of each of `halves`: [S, T']."""
    waves: Tensor
    """Discrete Fourier transform of the window without its mean, after a Hann window; both parts: [2 N, T]."""
    fluctuations: Tensor
    """Means over both parts' energies in bands of modulation frequency: [`FLUCTUATIONS`, 2 N]."""


@made_once
def time_maps(frames: int, device: torch.device) -> TimeMaps:
    lengths = [frames >> scale for scale in range(GROUP_SCALES)]
    movement_ST = torch.zeros(len(lengths), sum(lengths))
    for row_T, begin, length in zip(movement_ST, accumulate(lengths, initial=0), lengths, strict=False):
        row_T[begin : begin + length - 1] = 1 / (length - 1)
    lengths = [frames >> scale for scale in range(1, HARMONIC_SCALES + 1)]
    halves = torch.block_diag(*(torch.full((1, n), 1 / n) for n in lengths))  # type: ignore[no-untyped-call]
    count = frames // 2
    angle_NT = 2 * math.pi / frames * (torch.outer(torch.arange(1, count + 1), torch.arange(frames)) % frames).double()
    waves = torch.cat([angle_NT.cos(), angle_NT.sin()]) * torch.hann_window(frames, dtype=torch.float64)
    waves -= waves.mean(1, keepdim=True)
    edges = [round(count ** (i / FLUCTUATIONS)) for i in range(FLUCTUATIONS + 1)]
    fluctuations = torch.zeros(FLUCTUATIONS, count)
    for row_N, (low, high) in zip(fluctuations, pairwise(edges), strict=True):
        row_N[low - 1 : max(low, high)] = 1 / (max(low, high) - low + 1) / frames
    maps = (movement_ST[:, :-1].contiguous(), halves, waves.float(), fluctuations.repeat(1, 2))
    return TimeMaps(*(one.to(device) for one in maps))


def halves(x_TBR: Tensor, scales: int) -> list[Tensor]:
    """Means of 2, 4, 8, ... frames each: [T // 2, B, R], [T // 4, B, R], ..."""
    halves = []
    for _ in range(scales):
        even = len(x_TBR) // 2 * 2
        x_TBR = torch.lerp(x_TBR[0:even:2], x_TBR[1:even:2], 0.5)
        halves.append(x_TBR)
    return halves
