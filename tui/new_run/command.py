"""The ``train`` command for a recipe."""

import msgspec

from core.dataset.settings import SplitSettings
from core.training.fields import encode_value, recipe_fields, value_of
from core.training.recipe import Recipe, to_dict

FLAGS = {
    "model": "model",
    "epochs": "epochs",
    "batch_size": "batch_size",
    "learning_rate": "optimiser.learning_rate",
    "crop_seconds": "crop_seconds",
    "excerpts": "excerpts",
    "seed": "seed",
    "device": "device",
    "nproc": "processes",
    "plain": "plain",
}
"""Option of ``train`` → the recipe's field that it sets."""


def suited(recipe: Recipe, split: SplitSettings | None) -> Recipe:
    """The recipe with the split that suits its dataset, which ``train`` uses by default; the seed stays."""
    if split is None:
        return recipe
    return msgspec.structs.replace(recipe, split=msgspec.structs.replace(split, seed=recipe.split.seed))


def train_command(
    recipe: Recipe, preset: str, base: Recipe, *, dataset_split: SplitSettings | None = None, name: str = ""
) -> list[str]:
    """The words of the command that starts a run with this recipe.

    Args:
        preset: the one to start from.
        base: what ``train`` makes of that, with the recipe's encoder, without further options.
        dataset_split: the split that suits the dataset, which ``train`` uses by default.
        name: the run's name; empty for a generated one.
    """
    plain, before = to_dict(recipe), to_dict(base)
    words = ["genre-tui", "train", recipe.data, "--preset", preset]
    words += ["--encoder", recipe.encoder.name] if recipe.encoder is not None else []
    words += recipe.labels.options()
    options = {field: f"--{option.replace('_', '-')}" for option, field in FLAGS.items()}
    if recipe.encoder is not None:
        options.pop("model")  # train takes one of them
    asks_for_split = recipe.split != suited(base, dataset_split).split
    for field in recipe_fields().values():
        value = value_of(plain, field.name)
        same = value == value_of(before, field.name)
        if field.group == "split":
            # Naming the protocol keeps train from taking the dataset's split.
            if asks_for_split and (not same or field.name == "split.protocol"):
                words += ["--set", f"{field.name}={encode_value(value)}"]
        elif same or field.group == "labels" or field.name in ("data", "preset"):
            continue
        elif value is True and field.name in options:
            words.append(options[field.name])
        elif value in (None, False) or field.name not in options:
            words += ["--set", f"{field.name}={encode_value(value)}"]
        else:
            words += [options[field.name], str(value)]
    return [*words, *(["--name", name] if name else [])]
