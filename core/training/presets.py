"""Presets: complete recipes, which the command line and the New run screen modify."""

from typing import Any

import msgspec
from msgspec.structs import replace

from core.features.settings import AugmentationSettings, EncoderSettings, FrontEndSettings
from core.models.registry import FRAME_SECONDS
from core.training.fields import set_value, value_of
from core.training.recipe import OptimiserSettings, Recipe, from_dict

DEFAULT_PRESET = "quick"
SLANEY = FrontEndSettings(top_db=80.0, mel_scale="slaney", mel_norm="slaney")
ADAMW = OptimiserSettings(
    name="adamw", learning_rate=2e-3, weight_decay=5e-2, schedule="cosine", warmup=0.1, label_smoothing=0.1
)
WIDE_BAND = 32_000
"""Sample rate in Hz from which the transform has twice the samples, for the same resolution."""


def preset(name: str, data: str) -> Recipe:
    """The recipe called ``name`` for the dataset at ``data``.

    Raises:
        KeyError: the preset does not exist.
    """
    return PRESETS[name](data)


def with_encoder(recipe: Recipe, encoder: EncoderSettings) -> Recipe:
    """A recipe for a head on ``encoder``, with dataset, labels, split, excerpts and device settings of ``recipe``.

    The other settings of a preset are for networks trained from scratch.
    """
    rate = encoder.sample_rate
    front_end = replace(
        SLANEY,
        sample_rate=rate,
        n_fft=2048 if rate < WIDE_BAND else 4096,
        hop_length=round(FRAME_SECONDS * rate),
        seconds=max(recipe.front_end.seconds, encoder.window_seconds),
    )
    return replace(
        recipe,
        preset="encoder",
        model="encoder_head",
        model_options={},
        front_end=front_end,
        encoder=encoder,
        crop_seconds=encoder.window_seconds,
        least_crop_frames=0,
        fit_seconds=None,
        choose_windows=False,
        weigh_after=0.0,
        crops_per_clip=3,
        crops_per_epoch=0,
        test_crops=max(1, round(front_end.seconds / encoder.window_seconds)),
        epochs=15,
        batch_size=64,
        optimiser=replace(ADAMW, weight_average=0.98),
        augmentation=AugmentationSettings(),
        balance=None,
        precision="float32",
    )


SHORT_WINDOWS = {
    "crop_seconds": 3.0,
    "least_crop_frames": 39,
    "crops_per_clip": 5,
    "test_crops": 10,
    "balance": "artist",
    "model_options": {"dropout": 0.3},
    "optimiser.weight_decay": 2e-2,
    "optimiser.label_smoothing": 0.0,
    "optimiser.weight_average": 0.0,
    "augmentation.pitch_shift": 0.0,
    "augmentation.tilt": 0.0,
    "augmentation.mixup": 1.0,
    "augmentation.mixup_alpha": 0.3,
}
"""What changes in `best` for crops of 3 s. All of it gains on GTZAN; shorter crops alone do not (docs/accuracy.md)."""


def with_short_windows(recipe: Recipe) -> Recipe | None:
    """A recipe made from `best`, with `SHORT_WINDOWS`; None if one of these settings is not that of `best`.

    Experts are fitted to windows of the same length as with ``recipe``.
    """
    plain: dict[str, Any] = msgspec.to_builtins(recipe)
    usual = msgspec.to_builtins(_best(recipe.data))
    if recipe.model != "ensemble_cnn" or any(value_of(plain, name) != value_of(usual, name) for name in SHORT_WINDOWS):
        return None
    for name, value in SHORT_WINDOWS.items():
        set_value(plain, name, value)
    plain["fit_seconds"] = recipe.fit_frames * recipe.front_end.frame_seconds
    return from_dict(plain)


def _seed(data: str) -> Recipe:
    """The reference project's recipe: whole clips, Adam at 1e-3, batches of 16, 20 epochs."""
    return Recipe(data=data, preset="seed", model="seed_cnn", precision="bfloat16")


def _quick(data: str) -> Recipe:
    """The small network on random crops: minutes on two cores."""
    return Recipe(
        data=data,
        preset="quick",
        model="small_cnn",
        crop_seconds=3.0,
        crops_per_clip=2,
        test_crops=8,
        excerpts=3,
        precision="bfloat16",
        optimiser=replace(ADAMW, learning_rate=3e-3, weight_decay=1e-2, label_smoothing=0.0),
    )


def _best(data: str) -> Recipe:
    """The most accurate recipe that trains in minutes on two cores; its experts are chosen on the training clips."""
    return Recipe(
        data=data,
        preset="best",
        model="ensemble_cnn",
        front_end=replace(SLANEY, hop_length=1709),
        crop_seconds=5.0,
        least_crop_frames=64,
        fit_seconds=7.5,
        choose_windows=True,
        weigh_after=0.6,
        test_crops=8,
        excerpts=3,
        epochs=30,
        batch_size=16,
        crops_per_clip=3,
        crops_per_epoch=1700,
        optimiser=replace(ADAMW, weight_average=0.995),
        augmentation=AugmentationSettings(
            pitch_shift=1.0,
            pitch_shift_range=1.5,
            tilt=1.0,
            tilt_range=12.0,
            equaliser=1.0,
            equaliser_range=10.0,
            noise=0.5,
            noise_snr=(15.0, 40.0),
            time_mask=0.5,
            time_mask_fraction=0.15,
            frequency_mask=0.5,
        ),
        precision="bfloat16",
    )


PRESETS = {"best": _best, "quick": _quick, "seed": _seed}
"""Name → function from a dataset to a recipe, in the order of the menus."""
