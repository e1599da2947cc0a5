"""Another sample rate where the tensor lives, for ratios whose filter is small."""

from math import gcd

import torch

from core.features.torchaudio_import import torchaudio

LARGEST_KERNEL = 1 << 18
"""Phases × input samples of the filter that a device may hold: 48 → 22.05 kHz needs 47 thousand; 44,101 → 22,050 Hz
would need a thousand million, and the machine's memory."""


def can_resample_on_device(rate: int, target: int) -> bool:
    """Whether the ratio is small enough for ``resample_on_device``."""
    common = gcd(rate, target)
    return (rate // common) * (target // common) <= LARGEST_KERNEL


def resample_on_device(y: torch.Tensor, rate: int, target: int) -> torch.Tensor:
    """(..., samples) at ``rate`` → (..., samples · target / rate, rounded up) at ``target`` Hz, where the tensor lives.

    A windowed sinc with the settings of resampy's ``kaiser_best``, so that its pass band is close to soxr's.
    """
    if rate == target:
        return y
    resampled: torch.Tensor = torchaudio.functional.resample(
        y,
        rate,
        target,
        lowpass_filter_width=64,
        rolloff=0.9475937167399596,
        resampling_method="sinc_interp_kaiser",
        beta=14.769656459379492,
    )
    return resampled
