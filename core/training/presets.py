"""The presets a run can begin from. Each is a whole recipe; the command line and the New run screen change fields."""

from core.training.recipe import OptimiserSettings, Recipe

DEFAULT_PRESET = "quick"


def preset(name: str, data: str) -> Recipe:
    """The recipe called ``name`` for the dataset at ``data``.

    Raises:
        KeyError: there is no such preset.
    """
    return PRESETS[name](data)


def _seed(data: str) -> Recipe:
    """The reference project's recipe, kept faithful: whole clips, Adam at 1e-3, batches of 16, 20 epochs."""
    return Recipe(data=data, preset="seed", model="seed_cnn")


def _quick(data: str) -> Recipe:
    """Minutes on two cores: the small network on random crops."""
    return Recipe(
        data=data,
        preset="quick",
        model="small_cnn",
        crop_seconds=6.0,
        test_crops=5,
        optimiser=OptimiserSettings(name="adamw", weight_decay=1e-2, schedule="cosine", warmup=0.1),
    )


PRESETS = {"quick": _quick, "seed": _seed}
"""Name → recipe for a dataset, in the order in which they are offered."""
