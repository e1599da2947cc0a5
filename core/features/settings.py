"""Settings of the log-mel front end and of augmentation. Imports no torch.

To add an augmentation, add its fields, limits and range in words here, and apply it in ``augment.py``.
"""

from typing import Literal

import msgspec

FRONT_END_LIMITS: dict[str, tuple[float, float]] = {
    "sample_rate": (100, 1_000_000),
    "n_fft": (16, 131_072),
    "hop_length": (1, 1_000_000),
    "n_mels": (1, 4096),
    "power": (0.1, 10.0),
    "top_db": (1.0, 1000.0),
    "seconds": (0.001, 86_400.0),
}
"""Field → lowest and highest value; values outside are typing errors or need too much memory."""
ENCODER_LIMITS: dict[str, tuple[float, float]] = {
    "sample_rate": (100, 1_000_000),
    "window_samples": (16, 100_000_000),
    "dim": (1, 65_536),
}
MOST_DB = 200.0
"""More than the range of hearing, and far below the overflow of float32."""
SHARE = (0.0, 1.0)
AUGMENTATION_LIMITS: dict[str, tuple[float, float]] = {
    "time_stretch": SHARE,
    "time_stretch_range": (0.0, 0.95),  # at 1 the tempo could be 0
    "pitch_shift": SHARE,
    "pitch_shift_range": (0.0, 120.0),  # ten octaves, the range of hearing
    "noise": SHARE,
    "gain": SHARE,
    "gain_range": (0.0, MOST_DB),
    "tilt": SHARE,
    "tilt_range": (0.0, MOST_DB),
    "equaliser": SHARE,
    "equaliser_range": (0.0, MOST_DB),
    "roll": SHARE,
    "time_mask": SHARE,
    "time_mask_fraction": SHARE,
    "frequency_mask": SHARE,
    "frequency_mask_bands": (0, 100_000),
    "mixup": SHARE,
    "mixup_alpha": (0.001, 100.0),  # closer to 0 logarithms overflow
}
"""Field → lowest and highest value."""


class FrontEndSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the log-mel front end, stored in every recipe and model. The defaults are the reference project's.

    The defaults of ``mel_scale`` and ``mel_norm`` are ``htk`` and none in torchaudio, and ``slaney`` in librosa.
    """

    sample_rate: int = 22_050
    """Hz; audio at any other rate is resampled."""
    n_fft: int = 2048
    """Samples of a Hann window and of its transform."""
    hop_length: int = 512
    """Samples between frames."""
    n_mels: int = 128
    """Mel bands, from 0 Hz to half the sample rate."""
    power: float = 2.0
    """Exponent of the magnitude: 2 is power."""
    top_db: float = 100.0
    """Floor in dB below each clip's maximum."""
    mel_scale: Literal["htk", "slaney"] = "htk"
    """The mel scale: ``htk`` as in torchaudio, ``slaney`` as in librosa."""
    mel_norm: Literal["slaney"] | None = None
    """Whether each band is divided by its width (``slaney``, as in librosa)."""
    seconds: float = 30.0
    """Length in seconds to which every clip is padded or trimmed."""

    def __post_init__(self) -> None:
        _check(self, FRONT_END_LIMITS)

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of a clip's spectrogram: bands, frames."""
        return self.n_mels, self.frames

    @property
    def samples(self) -> int:
        """Samples in a clip."""
        return round(self.seconds * self.sample_rate)

    @property
    def frames(self) -> int:
        """Frames in a clip: one at every hop, the first centred on sample 0."""
        return self.samples // self.hop_length + 1

    @property
    def frame_seconds(self) -> float:
        """Seconds between frames."""
        return self.hop_length / self.sample_rate

    def frames_in(self, seconds: float) -> int:
        """Frames that cover ``seconds``, at least one."""
        return max(1, round(seconds * self.sample_rate / self.hop_length))


class EncoderSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A pretrained encoder, as stored in recipes and models (see `core.models.encoders`)."""

    name: str
    """A name in `core.models.encoders.registry.ENCODERS`, a folder, or a repository of the model hub."""
    sha256: str
    """Digest of its weights: a head only fits the encoder that it was trained on."""
    sample_rate: int
    """Hz; equal to that of the front end."""
    window_samples: int
    """Samples of a window, which becomes one embedding."""
    dim: int
    """Size of an embedding."""

    def __post_init__(self) -> None:
        _check(self, ENCODER_LIMITS)

    @property
    def window_seconds(self) -> float:
        return self.window_samples / self.sample_rate


class AugmentationSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Augmentations of training batches of log-mel crops, each with a probability and a range.

    All of them work on the mel spectrogram: time stretching resamples the time axis, pitch shifting moves the mel axis,
    and noise is added as mel power. A probability of 0 disables an effect.
    """

    time_stretch: float = 0.0
    """Probability of a time stretch."""
    time_stretch_range: float = 0.1
    """Largest change of tempo as a fraction."""
    pitch_shift: float = 0.0
    """Probability of a pitch shift."""
    pitch_shift_range: float = 2.0
    """Largest shift in semitones."""
    noise: float = 0.0
    """Probability of added noise."""
    noise_snr: tuple[float, float] = (10.0, 40.0)
    """Lowest and highest signal-to-noise ratio in dB."""
    gain: float = 0.0
    """Probability of a change of level."""
    gain_range: float = 6.0
    """Largest gain or loss in dB."""
    tilt: float = 0.0
    """Probability of a tilt of the spectrum."""
    tilt_range: float = 6.0
    """Largest tilt from the lowest to the highest band in dB."""
    equaliser: float = 0.0
    """Probability of a random curve over the bands: straight lines between five knots."""
    equaliser_range: float = 6.0
    """Largest gain or loss at a knot in dB."""
    roll: float = 0.0
    """Probability of rolling a crop around in time."""
    time_mask: float = 0.0
    """Probability that a stretch of time is masked."""
    time_mask_fraction: float = 0.1
    """Longest mask as a fraction of the crop."""
    frequency_mask: float = 0.0
    """Probability that a range of bands is masked."""
    frequency_mask_bands: int = 16
    """Widest mask in mel bands."""
    mixup: float = 0.0
    """Probability that a clip is mixed with another one of its batch; drawn for each clip."""
    mixup_alpha: float = 0.2
    """Both parameters of the beta distribution of the other clip's weight."""

    def __post_init__(self) -> None:
        _check(self, AUGMENTATION_LIMITS)
        quietest, loudest = self.noise_snr
        if not -MOST_DB <= quietest <= loudest <= MOST_DB:
            raise ValueError(
                f"noise_snr must be two numbers, the lower one first, within ±{MOST_DB:g} dB, "
                f"not {quietest} and {loudest}"
            )

    @property
    def of_sound(self) -> "AugmentationSettings":
        """Only effects that could happen to a recording: without roll, masks and mixup."""
        return msgspec.structs.replace(self, roll=0.0, time_mask=0.0, frequency_mask=0.0, mixup=0.0)


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
"""The augmentations of a single clip, by the field of their probability; mixup needs two clips."""


def effects_of(settings: AugmentationSettings) -> list[str]:
    """The effects that a recipe uses."""
    return [effect for effect in EFFECTS if getattr(settings, effect) > 0]


def range_of(effect: str, settings: AugmentationSettings) -> str:
    """The range of an effect in words: ``±2 semitones``."""
    quietest, loudest = settings.noise_snr
    return {
        "time_stretch": f"tempo ±{settings.time_stretch_range * 100:g}%",
        "pitch_shift": f"±{settings.pitch_shift_range:g} semitones",
        "noise": f"{quietest:g}–{loudest:g} dB below it",
        "gain": f"±{settings.gain_range:g} dB",
        "tilt": f"±{settings.tilt_range:g} dB across bands",
        "equaliser": f"±{settings.equaliser_range:g} dB",
        "roll": "by any amount",
        "time_mask": f"0–{settings.time_mask_fraction * 100:g}% of the time",
        "frequency_mask": f"0–{settings.frequency_mask_bands} bands",
    }[effect]


def _check(settings: msgspec.Struct, limits: dict[str, tuple[float, float]]) -> None:
    """
    Raises:
        ValueError: a field is outside its limits; the message names it.
    """
    for name, (lowest, highest) in limits.items():
        value = getattr(settings, name)
        if not lowest <= value <= highest:  # also for NaN
            raise ValueError(f"{name} must be from {lowest:g} to {highest:.10g}, not {value}")
