"""Presets: complete recipes whose fields the command line and the New run screen change."""

from core.features.settings import AugmentationSettings, FrontEndSettings
from core.training.recipe import OptimiserSettings, Recipe

DEFAULT_PRESET = "quick"


def preset(name: str, data: str) -> Recipe:
    """The recipe called ``name`` for the dataset at ``data``.

    Raises:
        KeyError: there is no such preset.
    """
    return PRESETS[name](data)


def _seed(data: str) -> Recipe:
    """The reference project's recipe, unchanged: whole clips, Adam at 1e-3, batches of 16, 20 epochs."""
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
        optimiser=OptimiserSettings(name="adamw", learning_rate=3e-3, weight_decay=1e-2, schedule="cosine", warmup=0.1),
    )


def _best(data: str) -> Recipe:
    """The most accurate recipe that trains in minutes on two cores; its experts are chosen on the training clips."""
    return Recipe(
        data=data,
        preset="best",
        model="ensemble_cnn",
        front_end=FrontEndSettings(hop_length=1709, top_db=80.0, mel_scale="slaney", mel_norm="slaney"),
        crop_seconds=5.0,
        least_crop_frames=64,
        fit_seconds=7.5,
        weigh_after=0.6,
        test_crops=8,
        excerpts=3,
        epochs=30,
        batch_size=16,
        crops_per_clip=3,
        optimiser=OptimiserSettings(
            name="adamw",
            learning_rate=2e-3,
            weight_decay=5e-2,
            schedule="cosine",
            warmup=0.1,
            label_smoothing=0.1,
            weight_average=0.995,
        ),
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
            mixup=1.0,
            mixup_alpha=0.3,
        ),
        precision="bfloat16",
    )


PRESETS = {"best": _best, "quick": _quick, "seed": _seed}
"""Name → function from a dataset to a recipe, in the order of the menus."""
