"""Previews of augmentation: the augmented spectrogram, and sound reconstructed from it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from core.features.augment import Augment
from core.features.log_mel import FrontEnd
from core.features.settings import EFFECTS, AugmentationSettings, FrontEndSettings
from core.features.torchaudio_import import torchaudio
from core.util.errors import UserError

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
