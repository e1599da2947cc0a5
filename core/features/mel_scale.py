"""The mel scale and its filterbank, in O'Shaughnessy's (HTK) and Slaney's form.

Shapes: F frequencies of a transform, M mel bands.
"""

import math
from typing import Literal

import torch
from torch import Tensor

from core.features.settings import FrontEndSettings
from core.features.torchaudio_import import torchaudio

MelScale = Literal["htk", "slaney"]
MelNorm = Literal["slaney"] | None
SLANEY_LINEAR_HZ = 1000.0
"""Slaney's scale is linear up to here, with 3 mel per 200 Hz, and logarithmic above, with 27 mel per factor of 6.4."""


def mel_filterbank(
    n_fft: int,
    n_mels: int,
    sample_rate: int,
    *,
    scale: MelScale,
    norm: MelNorm,
    lowest_hz: float = 0.0,
) -> Tensor:
    """Triangular filters [F, M] from ``lowest_hz`` to half the sample rate, for F = n_fft // 2 + 1 frequencies."""
    filters_FM: Tensor = torchaudio.functional.melscale_fbanks(
        n_fft // 2 + 1, lowest_hz, sample_rate / 2, n_mels, sample_rate, norm=norm, mel_scale=scale
    )
    return filters_FM


def mel_frequencies(settings: FrontEndSettings) -> Tensor:
    """Centre frequency of every mel band of a front end, in Hz, low to high: [M]."""
    highest = hz_to_mel(torch.tensor(settings.sample_rate / 2, dtype=torch.float64), settings.mel_scale)
    mels_M = torch.arange(1, settings.n_mels + 1, dtype=torch.float64) * highest / (settings.n_mels + 1)
    return mel_to_hz(mels_M, settings.mel_scale).float()


def position_of(hz: Tensor, settings: FrontEndSettings) -> Tensor:
    """The fractional band in whose centre a frequency lies: below 0 or above n_mels - 1 outside of the front end."""
    # Made there: a copy would wait for the device.
    nyquist = torch.full((), settings.sample_rate / 2, dtype=hz.dtype, device=hz.device)
    highest = hz_to_mel(nyquist, settings.mel_scale)
    return hz_to_mel(hz, settings.mel_scale) / highest * (settings.n_mels + 1) - 1


def hz_to_mel(hz: Tensor, scale: MelScale) -> Tensor:
    if scale == "htk":
        return 2595 * torch.log10(1 + hz / 700)
    above = 15 + torch.log(hz.clamp_min(SLANEY_LINEAR_HZ) / SLANEY_LINEAR_HZ) * (27 / math.log(6.4))
    return torch.where(hz < SLANEY_LINEAR_HZ, hz * (3 / 200), above)


def mel_to_hz(mel: Tensor, scale: MelScale) -> Tensor:
    if scale == "htk":
        return 700 * (torch.pow(10.0, mel / 2595) - 1)
    above = SLANEY_LINEAR_HZ * torch.exp((mel - 15).clamp_min(0) * (math.log(6.4) / 27))
    return torch.where(mel < 15, mel * (200 / 3), above)
