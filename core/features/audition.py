"""What an augmentation does, made visible and audible: its spectrogram, and sound that has about that spectrogram."""

from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from core.features.augment import Augment
from core.features.front_end import FrontEnd
from core.features.settings import AugmentationSettings, FrontEndSettings
from core.features.torchaudio_import import torchaudio

EFFECTS = (
    "time_stretch",
    "pitch_shift",
    "noise",
    "gain",
    "tilt",
    "equaliser",
    "roll",
    "time_mask",
    "frequency_mask",
)
"""Augmentations of a single clip, by the recipe's field with their probability; mixup takes two."""
ITERATIONS = 32
"""Of the Griffin-Lim algorithm (1984), which finds phases for a spectrogram."""
OVERLAP = 4


@dataclass(frozen=True)
class Audition:
    """``mel_MT`` in dB, within top_db of its maximum; ``wave_N`` at the front end's sample rate, full scale."""

    effect: str
    mel_MT: Tensor
    wave_N: npt.NDArray[np.float32]


def effects_of(settings: AugmentationSettings) -> list[str]:
    """The effects that a recipe uses."""
    return [effect for effect in EFFECTS if getattr(settings, effect) > 0]


def audition(
    wave_N: npt.NDArray[np.float32],
    front_end: FrontEndSettings,
    settings: AugmentationSettings,
    effects: list[str],
    seed: int = 0,
) -> list[Audition]:
    """A sound as it is, then after each effect by itself, then after all of them; each strikes for certain.

    The sound comes back from the mel bands alone, so even what no effect has touched is somewhat blurred: compare with
    the first. Frames lie closer together here than a front end may have them, since phases need overlap.
    """
    dense = msgspec.structs.replace(front_end, hop_length=min(front_end.hop_length, front_end.n_fft // OVERLAP))
    transform = FrontEnd(dense)
    mel_1MT = transform(torch.from_numpy(wave_N)[None])
    silent = msgspec.structs.replace(settings, mixup=0.0, **dict.fromkeys(EFFECTS, 0.0))
    trials: list[tuple[str, list[str]]] = [("original", []), *((effect, [effect]) for effect in effects)]
    if len(effects) > 1:
        trials.append(("all", effects))
    heard = []
    for name, struck in trials:
        augment = Augment(msgspec.structs.replace(silent, **dict.fromkeys(struck, 1.0)), dense)
        augmented_1MT, _ = augment(mel_1MT, torch.ones(1, 1), torch.Generator().manual_seed(seed))
        relative_MT = (augmented_1MT[0] - augmented_1MT.max()).clamp_min(-dense.top_db)
        heard.append(Audition(name, relative_MT, _sound(relative_MT, transform)))
    return heard


def _sound(mel_MT: Tensor, front_end: FrontEnd) -> npt.NDArray[np.float32]:
    """A waveform whose mel spectrogram is about ``mel_MT``: least squares for the frequencies, then Griffin-Lim."""
    settings = front_end.settings
    power_MT = torch.pow(10.0, mel_MT * settings.power / 20)
    filters_FM = front_end.mel_scale.fb
    # Bands that are narrower than a frequency bin are empty, and their row of the inverse with them.
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
