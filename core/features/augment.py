"""Augmentation of training batches of log-mel spectrograms, on their device; and its preview, seen and heard.

All effects are mel-domain equivalents of operations on sound: time stretching resamples the time axis, pitch shifting
moves energy to the band of its new frequency, noise is added as mel power, and gain, tilt and equaliser are curves in
dB. Masks are those of SpecAugment (Park et al. 2019), the equaliser is the linear type of FilterAugment (Nam et al.
2022), and mixup (Zhang et al. 2018) mixes decibels.

Suffixes: B clips of the batch, M mel bands, T frames, C genres, K knots of an equaliser curve."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from core.features.log_mel import FrontEnd, mel_frequencies, position_of
from core.features.settings import EFFECTS, AugmentationSettings, FrontEndSettings, effects_of
from core.features.torchaudio_import import torchaudio
from core.util.errors import UserError

EQUALISER_KNOTS = 5


class Augment:
    """Applies each effect to each clip independently with its own probability.

    The order is that of a recording: performance (stretch, pitch), room and electronics (tilt, equaliser, noise, gain),
    then the artificial effects (roll, mixup, masks).
    """

    def __init__(self, settings: AugmentationSettings, front_end: FrontEndSettings) -> None:
        self.settings = settings
        self.front_end = front_end
        self.frequencies_M = mel_frequencies(front_end)

    def __call__(self, mel_BMT: Tensor, labels_BC: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Augment a batch.

        Args:
            mel_BMT: log-mel in dB, in [-top_db, 0]; it is not modified.
            labels_BC: one row of genre probabilities per clip.
            generator: the source of all random numbers, on the batch's device.

        Returns:
            mel [B, M, T], which gains may take out of that range, and labels [B, C], mixed for mixed clips.
        """
        s = self.settings
        draw = _RandomNumbers(len(mel_BMT), mel_BMT.device, generator)
        if s.time_stretch or s.pitch_shift:
            mel_BMT = self._warp(mel_BMT, draw)
        if s.tilt:
            mel_BMT = mel_BMT + self._curve(draw.around(s.tilt, s.tilt_range)[:, None] * draw.ramp)
        if s.equaliser:
            mel_BMT = mel_BMT + self._curve(draw.around(s.equaliser, s.equaliser_range, EQUALISER_KNOTS))
        if s.noise:
            mel_BMT = _add_noise(mel_BMT, s, draw)
        if s.gain:
            mel_BMT = mel_BMT + draw.around(s.gain, s.gain_range)[:, None, None]
        if s.roll:
            mel_BMT = _roll(mel_BMT, s.roll, draw)
        if s.mixup:
            mel_BMT, labels_BC = _mixup(mel_BMT, labels_BC, s, draw)
        if s.frequency_mask:
            mel_BMT = _mask(mel_BMT, 1, s.frequency_mask, s.frequency_mask_bands, draw)
        if s.time_mask:
            mel_BMT = _mask(mel_BMT, 2, s.time_mask, s.time_mask_fraction * mel_BMT.shape[2], draw)
        return mel_BMT, labels_BC

    def _warp(self, mel_BMT: Tensor, draw: "_RandomNumbers") -> Tensor:
        """Time stretch and pitch shift in one interpolation; missing frames at the ends are reflected."""
        s, (_, bands, frames) = self.settings, mel_BMT.shape
        semitones_B = draw.around(s.pitch_shift, s.pitch_shift_range)
        tempo_B = 1 + draw.around(s.time_stretch, s.time_stretch_range)
        # A band gets the energy of the frequency that the shift moves to it.
        self.frequencies_M = self.frequencies_M.to(mel_BMT.device)  # copied for the first batch only
        source_BM = self.frequencies_M / torch.exp2(semitones_B / 12)[:, None]
        y_BM = position_of(source_BM, self.front_end) / (bands - 1) * 2 - 1
        x_BT = torch.linspace(-1, 1, frames, device=mel_BMT.device) * tempo_B[:, None]
        shape = (len(mel_BMT), bands, frames)
        grid_BMT2 = torch.stack([x_BT[:, None].expand(shape), y_BM[:, :, None].expand(shape)], dim=3)
        return F.grid_sample(mel_BMT[:, None], grid_BMT2, padding_mode="reflection", align_corners=True)[:, 0]

    def _curve(self, knots_BK: Tensor) -> Tensor:
        """Interpolate gains at evenly spaced bands linearly over all bands: [B, M, 1]."""
        return F.interpolate(knots_BK[:, None], size=self.front_end.n_mels, mode="linear", align_corners=True)[
            :, 0, :, None
        ]


def make_augment(settings: AugmentationSettings, front_end: FrontEndSettings) -> Augment | None:
    """The augmentation; None if the settings change nothing."""
    return Augment(settings, front_end) if effects_of(settings) or settings.mixup else None


class _RandomNumbers:
    """Random numbers for a batch, with one row per clip."""

    def __init__(self, clips: int, device: torch.device, generator: torch.Generator) -> None:
        self.clips, self.device, self.generator = clips, device, generator
        self.ramp = torch.linspace(-0.5, 0.5, 2, device=device)  # created there, because a copy would synchronise

    def uniform(self, *shape: int) -> Tensor:
        """Uniform in [0, 1): [B, *shape]."""
        return torch.rand(self.clips, *shape, generator=self.generator, device=self.device)

    def mask(self, probability: float) -> Tensor:
        """The clips to which an effect is applied: [B], bool."""
        return self.uniform() < probability

    def around(self, probability: float, width: float, *shape: int) -> Tensor:
        """Uniform in [-width, width] where the effect is applied, 0 elsewhere: [B, *shape]."""
        mask_B = self.mask(probability).view(-1, *[1] * len(shape))
        return (2 * self.uniform(*shape) - 1) * width * mask_B

    def integers(self, high: int) -> Tensor:
        return torch.randint(high, (self.clips,), generator=self.generator, device=self.device)


def _add_noise(mel_BMT: Tensor, s: AugmentationSettings, draw: _RandomNumbers) -> Tensor:
    """Add noise of equal mean power in every band, exponentially distributed like the power of white noise."""
    lowest, highest = s.noise_snr
    signal_B11 = _decibels(_power(mel_BMT).mean((1, 2), keepdim=True))
    level_B11 = signal_B11 - (lowest + (highest - lowest) * draw.uniform(1, 1))
    flicker_BMT = -torch.log1p(-draw.uniform(*mel_BMT.shape[1:]))
    noisy_BMT = _decibels(_power(mel_BMT) + _power(level_B11) * flicker_BMT)
    return torch.where(draw.mask(s.noise)[:, None, None], noisy_BMT, mel_BMT)


def _roll(mel_BMT: Tensor, probability: float, draw: _RandomNumbers) -> Tensor:
    frames = mel_BMT.shape[2]
    shift_B = draw.integers(frames) * draw.mask(probability)
    source_BT = (torch.arange(frames, device=mel_BMT.device) + shift_B[:, None]) % frames
    return mel_BMT.gather(2, source_BT[:, None].expand_as(mel_BMT))


def _mixup(mel_BMT: Tensor, labels_BC: Tensor, s: AugmentationSettings, draw: _RandomNumbers) -> tuple[Tensor, Tensor]:
    """Mix each chosen clip with another of the batch, whose weight is at most a half."""
    share_B = _beta(s.mixup_alpha, draw)
    share_B = torch.minimum(share_B, 1 - share_B) * draw.mask(s.mixup)
    other = torch.randperm(draw.clips, generator=draw.generator, device=draw.device)
    mixed_BMT = torch.lerp(mel_BMT, mel_BMT[other], share_B[:, None, None])
    return mixed_BMT, torch.lerp(labels_BC, labels_BC[other], share_B[:, None])


def _beta(alpha: float, draw: _RandomNumbers) -> Tensor:
    """Samples of Beta(alpha, alpha), [B], from a given generator, which torch.distributions does not support.

    Jöhnk's rejection method (1964): U^(1/alpha) and V^(1/alpha) are accepted if their sum is at most 1. All of sixteen
    tries are rejected once in 65,536 times at alpha 1, and practically never below; the first is used then.
    """
    tries_2BK = torch.stack([draw.uniform(16), draw.uniform(16)]).clamp_min(1e-12).log() / alpha
    total_BK = torch.logaddexp(tries_2BK[0], tries_2BK[1])
    first_B = (total_BK <= 0).int().argmax(1, keepdim=True)
    return (tries_2BK[0] - total_BK).gather(1, first_B)[:, 0].exp()


def _mask(mel_BMT: Tensor, axis: int, probability: float, widest: float, draw: _RandomNumbers) -> Tensor:
    """Replace a range of bands (axis 1) or frames (axis 2) by the clip's mean."""
    size = mel_BMT.shape[axis]
    width_B = draw.uniform() * widest * draw.mask(probability)
    first_B = draw.uniform() * (size - width_B)
    place_S = torch.arange(size, device=mel_BMT.device)
    covered_BS = (place_S >= first_B[:, None]) & (place_S < (first_B + width_B)[:, None])
    return torch.where(covered_BS.unsqueeze(3 - axis), mel_BMT.mean((1, 2), keepdim=True), mel_BMT)


def _power(decibels: Tensor) -> Tensor:
    return torch.pow(10.0, decibels / 10)


def _decibels(power: Tensor) -> Tensor:
    return 10 * torch.log10(power.clamp_min(1e-12))


ITERATIONS = 32
"""Iterations of the Griffin-Lim algorithm (1984), which estimates the phases of a spectrogram."""
OVERLAP = 4


@dataclass(frozen=True)
class AugmentPreview:
    """``mel_MT`` is in dB, within top_db of its maximum, as ``front_end`` computes it."""

    effect: str
    mel_MT: Tensor
    front_end: FrontEndSettings

    def sound(self) -> npt.NDArray[np.float32]:
        """A waveform with approximately this spectrogram, near full scale at the front end's rate. This is slow.

        It is reconstructed from mel bands and so is somewhat blurred even without any effect: compare it with the
        original reconstructed in the same way.
        """
        return _sound(self.mel_MT, FrontEnd(self.front_end))


def augment_preview(
    wave_N: npt.NDArray[np.float32],
    front_end: FrontEndSettings,
    settings: AugmentationSettings,
    effects: Sequence[str],
    seed: int = 0,
) -> list[AugmentPreview]:
    """A sound without effects, with each effect on its own, and with all of them; each is applied with certainty.

    The hop may be shorter than that of the front end, because estimating phases needs overlap.

    Raises:
        UserError: the sound is shorter than the front end's window, and too short to be reconstructed.
    """
    if len(wave_N) < front_end.n_fft:
        had, least = len(wave_N) / front_end.sample_rate, front_end.n_fft / front_end.sample_rate
        raise UserError(f"A preview needs at least {math.ceil(100 * least) / 100:g} s of sound, not {had:.3f} s.")
    dense = msgspec.structs.replace(front_end, hop_length=min(front_end.hop_length, front_end.n_fft // OVERLAP))
    return augment_preview_of_mel(FrontEnd(dense)(torch.from_numpy(wave_N)[None])[0], dense, settings, effects, seed)


def augment_preview_of_mel(
    mel_MT: Tensor, front_end: FrontEndSettings, settings: AugmentationSettings, effects: Sequence[str], seed: int = 0
) -> list[AugmentPreview]:
    """As `augment_preview`, for a spectrogram in dB; with a long hop its sound is poor."""
    silent = msgspec.structs.replace(settings, mixup=0.0, **dict.fromkeys(EFFECTS, 0.0))
    trials: list[tuple[str, Sequence[str]]] = [("original", []), *((effect, [effect]) for effect in effects)]
    if len(effects) > 1:
        trials.append(("all", effects))
    seen = []
    for name, chosen in trials:
        augment = Augment(msgspec.structs.replace(silent, **dict.fromkeys(chosen, 1.0)), front_end)
        augmented_1MT, _ = augment(mel_MT[None], torch.ones(1, 1), torch.Generator().manual_seed(seed))
        relative_MT = (augmented_1MT[0] - augmented_1MT.max()).clamp_min(-front_end.top_db)
        seen.append(AugmentPreview(name, relative_MT, front_end))
    return seen


def _sound(mel_MT: Tensor, front_end: FrontEnd) -> npt.NDArray[np.float32]:
    """A waveform with approximately the given mel spectrogram: least squares for the frequencies, then Griffin-Lim."""
    settings = front_end.settings
    power_MT = torch.pow(10.0, mel_MT * settings.power / 20)
    filters_FM = front_end.mel_filters
    # Bands narrower than a frequency bin are empty, and so are their rows of the inverse.
    power_FT = (torch.linalg.pinv(filters_FM.T) @ power_MT).clamp_min(0)
    wave_N = torchaudio.functional.griffinlim(
        power_FT,
        window=torch.hann_window(settings.n_fft),
        n_fft=settings.n_fft,
        hop_length=settings.hop_length,
        win_length=settings.n_fft,
        power=settings.power,
        n_iter=ITERATIONS,
        momentum=0.99,
        length=None,
        rand_init=False,
    )
    loudest = wave_N.abs().max().clamp_min(1e-9)
    sound: npt.NDArray[np.float32] = (wave_N / loudest * 0.9).numpy()
    return sound
