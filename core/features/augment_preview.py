"""What an augmentation does, made visible and audible: its spectrogram, and sound that has about that spectrogram."""

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
"""Of the Griffin-Lim algorithm (1984), which finds phases for a spectrogram."""
OVERLAP = 4


@dataclass(frozen=True)
class AugmentPreview:
    """``mel_MT`` in dB, within top_db of its maximum, as ``front_end`` shows sound."""

    effect: str
    mel_MT: Tensor
    front_end: FrontEndSettings

    def sound(self) -> npt.NDArray[np.float32]:
        """A waveform of about this spectrogram, near full scale at the front end's rate. It takes a while.

        The sound comes back from the mel bands alone, so even what no effect has touched is somewhat blurred: compare
        with the original that came back the same way.
        """
        return _sound(self.mel_MT, FrontEnd(self.front_end))


def augment_preview(
    wave_N: npt.NDArray[np.float32],
    front_end: FrontEndSettings,
    settings: AugmentationSettings,
    effects: Sequence[str],
    seed: int = 0,
) -> list[AugmentPreview]:
    """A sound as it is, then after each effect by itself, then after all of them; each strikes for certain.

    Frames lie closer together here than a front end may have them, since phases need overlap.

    Raises:
        UserError: the sound is shorter than the front end's window, which is too short to be made audible again.
    """
    if len(wave_N) < front_end.n_fft:
        had, least = len(wave_N) / front_end.sample_rate, front_end.n_fft / front_end.sample_rate
        raise UserError(
            f"There are only {had:.3f} s of sound to show: take at least {math.ceil(100 * least) / 100:g} s."
        )
    dense = msgspec.structs.replace(front_end, hop_length=min(front_end.hop_length, front_end.n_fft // OVERLAP))
    return augment_preview_of_mel(FrontEnd(dense)(torch.from_numpy(wave_N)[None])[0], dense, settings, effects, seed)


def augment_preview_of_mel(
    mel_MT: Tensor, front_end: FrontEndSettings, settings: AugmentationSettings, effects: Sequence[str], seed: int = 0
) -> list[AugmentPreview]:
    """The same for a spectrogram that is there already, in dB; with frames far apart its sound is poor."""
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
    """A waveform whose mel spectrogram is about ``mel_MT``: least squares for the frequencies, then Griffin-Lim."""
    settings = front_end.settings
    power_MT = torch.pow(10.0, mel_MT * settings.power / 20)
    filters_FM = front_end.mel_filters
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
