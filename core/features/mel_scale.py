"""Where frequencies lie on the mel axis of a front end, as O'Shaughnessy's (HTK) or Slaney's scale has it."""

import math

import torch
from torch import Tensor

from core.features.settings import FrontEndSettings

SLANEY_LINEAR_HZ = 1000.0
"""Slaney's scale is linear up to here, with 3 mel to 200 Hz, and logarithmic above, with 27 mel to a factor of 6.4."""


def mel_frequencies(settings: FrontEndSettings) -> Tensor:
    """Centre frequency of every mel band, in Hz, low to high: [n_mels]."""
    highest = _hz_to_mel(torch.tensor(settings.sample_rate / 2, dtype=torch.float64), settings)
    mels_M = torch.arange(1, settings.n_mels + 1, dtype=torch.float64) * highest / (settings.n_mels + 1)
    return _mel_to_hz(mels_M, settings).float()


def position_of(hz: Tensor, settings: FrontEndSettings) -> Tensor:
    """The band, with its fraction, in whose centre a frequency lies: below 0 and above n_mels - 1 for those outside."""
    # Made there: a copy would wait for the device.
    highest = _hz_to_mel(torch.full((), settings.sample_rate / 2, dtype=hz.dtype, device=hz.device), settings)
    return _hz_to_mel(hz, settings) / highest * (settings.n_mels + 1) - 1


def _hz_to_mel(hz: Tensor, settings: FrontEndSettings) -> Tensor:
    if settings.mel_scale == "htk":
        return 2595 * torch.log10(1 + hz / 700)
    above = 15 + torch.log(hz.clamp_min(SLANEY_LINEAR_HZ) / SLANEY_LINEAR_HZ) * (27 / math.log(6.4))
    return torch.where(hz < SLANEY_LINEAR_HZ, hz * (3 / 200), above)


def _mel_to_hz(mel: Tensor, settings: FrontEndSettings) -> Tensor:
    if settings.mel_scale == "htk":
        return 700 * (torch.pow(10.0, mel / 2595) - 1)
    above = SLANEY_LINEAR_HZ * torch.exp((mel - 15).clamp_min(0) * (math.log(6.4) / 27))
    return torch.where(mel < 15, mel * (200 / 3), above)
