"""The augmentations of a single clip: which there are, which a recipe uses, and their ranges in words. No torch."""

from core.features.settings import AugmentationSettings

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
"""By the recipe's field with their probability; mixup is not among them, for it takes two clips."""


def effects_of(settings: AugmentationSettings) -> list[str]:
    """The effects that a recipe uses."""
    return [effect for effect in EFFECTS if getattr(settings, effect) > 0]


def range_of(effect: str, settings: AugmentationSettings) -> str:
    """How far an effect may go: ``±2 semitones``."""
    quietest, loudest = settings.noise_snr
    return {
        "time_stretch": f"tempo ±{settings.time_stretch_range * 100:g}%",
        "pitch_shift": f"±{settings.pitch_shift_range:g} semitones",
        "noise": f"{quietest:g}–{loudest:g} dB below the sound",
        "gain": f"±{settings.gain_range:g} dB",
        "tilt": f"±{settings.tilt_range:g} dB, lowest to highest band",
        "equaliser": f"±{settings.equaliser_range:g} dB",
        "roll": "by any amount",
        "time_mask": f"0–{settings.time_mask_fraction * 100:g}% of the time",
        "frequency_mask": f"0–{settings.frequency_mask_bands} bands",
    }[effect]
