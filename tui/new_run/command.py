"""The ``train`` command that makes a recipe."""

from core.dataset.split_settings import own_split as of_dataset
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


def train_command(recipe: Recipe, preset: str, base: Recipe, *, own_split: bool = False, name: str = "") -> list[str]:
    """The words of the command that starts a run with this recipe.

    Args:
        preset: the one to start from.
        base: what ``train`` makes of that, with the recipe's encoder, without further options.
        own_split: whether the dataset brings a split, which ``train`` takes without being asked.
        name: the run's name, if it is not to be made up.
    """
    plain, before = to_dict(recipe), to_dict(base)
    words = ["genre-tui", "train", recipe.data, "--preset", preset]
    words += ["--encoder", recipe.encoder.name] if recipe.encoder is not None else []
    words += recipe.labels.options()
    options = {field: f"--{option.replace('_', '-')}" for option, field in FLAGS.items()}
    if recipe.encoder is not None:
        options.pop("model")  # train takes one of them
    asks_for_split = recipe.split != (of_dataset(base.split) if own_split else base.split)
    for field in recipe_fields().values():
        value = value_of(plain, field.name)
        same = value == value_of(before, field.name)
        if field.group == "split":
            # Naming the protocol keeps train from taking the dataset's own split.
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
