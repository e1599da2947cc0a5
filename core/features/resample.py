"""Another sample rate where the tensor lives, for ratios whose filter is small."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from math import gcd

import torch
from torch import Tensor

from core.features.torchaudio_import import torchaudio

LARGEST_KERNEL = 1 << 18
"""Phases × input samples of the filter that a device may hold: 48 → 22.05 kHz needs 47 thousand; 44,101 → 22,050 Hz
would need a thousand million, and the machine's memory."""

SAMPLES_AT_ONCE = 64 * 30 * 48_000
"""Samples that are brought to another rate together."""
Wave = tuple[Tensor, int]
"""A waveform, (samples,) int16 or float32 wherever it lies, and its rate in Hz."""


def can_resample_on_device(rate: int, target: int) -> bool:
    """Whether the ratio is small enough for ``resample_on_device``."""
    common = gcd(rate, target)
    return (rate // common) * (target // common) <= LARGEST_KERNEL


def resample_on_device(y: Tensor, rate: int, target: int) -> Tensor:
    """(..., samples) at ``rate`` → (..., samples · target / rate, rounded up) at ``target`` Hz, where the tensor lives.

    A windowed sinc with the settings of resampy's ``kaiser_best``, so that its pass band is close to soxr's.
    """
    if rate == target:
        return y
    resampled: Tensor = torchaudio.functional.resample(
        y,
        rate,
        target,
        lowpass_filter_width=64,
        rolloff=0.9475937167399596,
        resampling_method="sinc_interp_kaiser",
        beta=14.769656459379492,
    )
    return resampled


def at_one_rate(waves: Sequence[Wave], target: int, samples: int, device: torch.device) -> tuple[Tensor, list[int]]:
    """Waveforms of any rates → (waves, samples) float32 at ``target`` Hz on ``device``, and how many of each are sound.

    Zeros follow behind; what is longer is cut off. Those of one rate and kind are changed together.
    """
    lengths = [min(samples, -(-len(wave_N) * target // rate)) for wave_N, rate in waves]
    wave_BN = torch.zeros(len(waves), samples, device=device)
    for places in _alike(waves):
        rate, dtype = waves[places[0]][1], waves[places[0]][0].dtype
        longest = max(len(waves[place][0]) for place in places)
        part_BN = torch.zeros(len(places), longest, dtype=dtype, device=device)
        for row_N, place in zip(part_BN, places, strict=True):
            wave_N = waves[place][0]
            row_N[: len(wave_N)].copy_(wave_N, non_blocking=True)
        part_BN = resample_on_device(part_BN.float(), rate, target)[:, :samples]
        # The filter rings on behind the end of a waveform.
        end_B = torch.tensor([lengths[place] for place in places], device=device)
        part_BN = part_BN * (torch.arange(part_BN.shape[1], device=device) < end_B[:, None])
        wave_BN[torch.tensor(places, device=device), : part_BN.shape[1]] = part_BN
    return wave_BN, lengths


def _alike(waves: Sequence[Wave]) -> Iterator[list[int]]:
    """Places of waveforms of the same rate and kind, as many as `SAMPLES_AT_ONCE` allows."""
    kinds: dict[tuple[int, torch.dtype], list[int]] = defaultdict(list)
    for place, (wave_N, rate) in enumerate(waves):
        kinds[rate, wave_N.dtype].append(place)
    for places in kinds.values():
        count = max(1, SAMPLES_AT_ONCE // max(len(waves[place][0]) for place in places))
        for first in range(0, len(places), count):
            yield places[first : first + count]
