"""The front end: waveforms → log-mel spectrograms, on any device.

Shapes: B batch, N samples, F frequencies, M mel bands, T frames.
"""

import torch
from torch import Tensor, nn

from core.features.mel_scale import mel_filterbank
from core.features.settings import FrontEndSettings
from core.features.torchaudio_import import torchaudio

QUIETEST = 1e-30
"""Lower bound of a divisor, so that digital silence stays silence instead of becoming NaN."""
FAINTEST, LOUDEST = 1e-10, 1e20
"""Mel energies of a clip's loudest point between which its floor neither underflows nor its squares overflow."""
FRAMES_AT_ONCE = 256
"""Frames that a CPU transforms together, so that they stay in its cache."""
BANDS_AT_ONCE = 8
"""Mel bands that a CPU weighs together, from the frequencies that they reach: most of the filterbank is zero."""


class FrontEnd(nn.Module):
    """Waveform → mel spectrogram in decibels below the clip's own maximum.

    Peak, maximum and floor are each clip's own, so that it gives the same spectrogram alone and in a batch, and at any
    level. Frames are centred at multiples of the hop, with zeros beyond
    both ends; zeros appended to a waveform therefore change none of its ``frames_of`` frames.

    Attributes:
        mel_filters: [F, M].
    """

    mel_filters: Tensor

    def __init__(self, settings: FrontEndSettings) -> None:
        super().__init__()
        self.settings = settings
        # The complex transform is squared here: torchaudio's own power takes a root first and is three times slower.
        self.spectrogram = torchaudio.transforms.Spectrogram(
            n_fft=settings.n_fft, hop_length=settings.hop_length, power=None, center=False
        )
        s = settings
        filters_FM = mel_filterbank(s.n_fft, s.n_mels, s.sample_rate, scale=s.mel_scale, norm=s.mel_norm)
        self.register_buffer("mel_filters", filters_FM)
        self._bands = [_reached(weights_FM) for weights_FM in torch.split(filters_FM, BANDS_AT_ONCE, dim=1)]

    @torch.no_grad()
    def forward(self, wave_BN: Tensor) -> Tensor:
        """(B, N) mono at ``settings.sample_rate``, N ≥ 1 → (B, M, N // hop_length + 1) float32 in [-top_db, 0].

        Each clip's loudest point is 0; digital silence is -top_db everywhere.
        """
        with torch.autocast(wave_BN.device.type, enabled=False):
            wave_BN = wave_BN.float()
            if wave_BN.device.type != "cpu" or torch.compiler.is_compiling():
                return self._decibels(self.energies(_at_full_scale(wave_BN)))
            # Waiting for the result costs a CPU nothing, and ordinary levels need no scaling.
            mel_BMT = self.energies(wave_BN)
            loudest_B = mel_BMT.amax(dim=(1, 2))
            extreme_B = ~((loudest_B > FAINTEST) & (loudest_B < LOUDEST))
            if extreme_B.any():
                mel_BMT[extreme_B] = self.energies(_at_full_scale(wave_BN[extreme_B]))
            return self._decibels(mel_BMT)

    def energies(self, wave_BN: Tensor) -> Tensor:
        """(B, N) float32 at any level → (B, M, N // hop_length + 1) mel energies."""
        if wave_BN.device.type != "cpu" or self.settings.power != 2.0 or torch.compiler.is_compiling():
            return self._energies_at_once(wave_BN)
        frames, pieces = self.frames_of(wave_BN.shape[1]), []
        for part_BN in torch.split(wave_BN, max(1, FRAMES_AT_ONCE // frames)):
            for begin in range(0, frames, FRAMES_AT_ONCE):
                frames_BTN = self._windowed(part_BN, begin, min(begin + FRAMES_AT_ONCE, frames))
                pieces.append(self._weigh(torch.view_as_real(torch.fft.rfft(frames_BTN))))
        return torch.cat(pieces, dim=1).view(-1, len(wave_BN), frames).transpose(0, 1).contiguous()

    def _energies_at_once(self, wave_BN: Tensor) -> Tensor:
        half = self.settings.n_fft // 2
        parts_BTF2 = self.spectrum(nn.functional.pad(wave_BN, (half, half)))
        power_BTF = parts_BTF2.square().sum(3).pow(self.settings.power / 2)
        mel_BMT: Tensor = (power_BTF @ self.mel_filters).transpose(1, 2).contiguous()
        return mel_BMT

    def _windowed(self, wave_BN: Tensor, begin: int, end: int) -> Tensor:
        """Frames ``begin`` to ``end`` times the window, (B, T, n_fft), read where they are instead of from a copy."""
        length, hop, window_N = self.settings.n_fft, self.settings.hop_length, self.spectrogram.window
        half, samples = length // 2, wave_BN.shape[1]
        frames_BTN = wave_BN.new_empty(len(wave_BN), end - begin, length)
        # Frames that lie wholly inside; the others reach beyond the ends, where there are zeros.
        first = min(max(begin, -(-half // hop)), end)
        last = max(first, min(end, (samples - length + half) // hop + 1))
        if first < last:
            inside_BTN = wave_BN[:, first * hop - half : (last - 1) * hop - half + length].unfold(1, length, hop)
            torch.mul(inside_BTN, window_N, out=frames_BTN[:, first - begin : last - begin])
        for frame in (*range(begin, first), *range(last, end)):
            low = frame * hop - half
            high = low + length
            sound_BN = wave_BN[:, max(0, low) : min(samples, high)]
            padded_BN = nn.functional.pad(sound_BN, (max(0, -low), max(0, high - samples)))
            torch.mul(padded_BN, window_N, out=frames_BTN[:, frame - begin])
        return frames_BTN

    def _weigh(self, parts_BTF2: Tensor) -> Tensor:
        """Parts (B, T, F, 2) → energies (M, B · T): the product with the filterbank, without its zeros."""
        # Both parts of a frequency have the same weight, so that the product also adds them.
        squares_KN = parts_BTF2.square_().reshape(-1, 2 * self.mel_filters.shape[0]).T
        return torch.cat([weights_MK @ squares_KN[low:high] for low, high, weights_MK in self._bands])

    def spectrum(self, wave_BN: Tensor) -> Tensor:
        """(B, N) → real and imaginary parts (B, T, F, 2) of the windowed transform, frames that lie wholly inside."""
        return torch.view_as_real(self.spectrogram(wave_BN).transpose(1, 2))

    def _decibels(self, mel_BMT: Tensor) -> Tensor:
        """Energies → decibels below each clip's own maximum, down to the floor."""
        loudest_B11 = mel_BMT.amax(dim=(1, 2), keepdim=True).clamp_min(QUIETEST)
        below_BMT = mel_BMT.log10_().sub_(loudest_B11.log10())
        return below_BMT.mul_(20.0 / self.settings.power).clamp_min_(-self.settings.top_db)

    def frames_of(self, samples: int) -> int:
        """Frames that a waveform of so many samples has."""
        return samples // self.settings.hop_length + 1


def _at_full_scale(wave_BN: Tensor) -> Tensor:
    """Each clip with its peak at 1, so that no level is too low or too high for the squares of its spectrum."""
    peak_B1 = torch.maximum(wave_BN.amax(1, keepdim=True), -wave_BN.amin(1, keepdim=True))
    return wave_BN / peak_B1.clamp_min(QUIETEST)


def _reached(weights_FM: Tensor) -> tuple[int, int, Tensor]:
    """The range of K that some bands reach, and their weights there, twice for each frequency [M, K]."""
    reached = weights_FM.any(dim=1).nonzero()[:, 0]
    low, high = (int(reached[0]), int(reached[-1]) + 1) if len(reached) else (0, 1)
    return 2 * low, 2 * high, weights_FM[low:high].repeat_interleave(2, dim=0).T.contiguous()
