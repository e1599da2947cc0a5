"""``train DATA``: start a run and follow it in plain lines, or leave it to itself (``--detach``) or to you."""

import argparse
import shlex
from pathlib import Path
from typing import Any

import msgspec

from core.models.catalog import MODELS
from core.training.presets import DEFAULT_PRESET, PRESETS, preset
from core.training.recipe import Recipe, from_dict, to_dict
from core.util.errors import UserError
from tui.commands.common import Progress, add_runs_option, add_settings_option, runs_dir
from tui.commands.exit_codes import DONE, UsageError
from tui.shell.printing import print_data, print_note

FLAGS = {
    "model": "model",
    "epochs": "epochs",
    "batch_size": "batch_size",
    "learning_rate": "optimiser.learning_rate",
    "crop_seconds": "crop_seconds",
    "seed": "seed",
    "device": "device",
    "nproc": "processes",
    "plain": "plain",
}
"""Option → the recipe's field that it sets."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", metavar="DATA", help="a folder of genres, or a feature pack")
    parser.add_argument("--preset", choices=PRESETS, default=DEFAULT_PRESET, help=f"where to begin ({DEFAULT_PRESET})")
    parser.add_argument("--model", choices=MODELS, help="; ".join(f"{name}: {line}" for name, line in MODELS.items()))
    parser.add_argument("--epochs", type=int, metavar="N")
    parser.add_argument("--batch-size", type=int, metavar="N")
    parser.add_argument("--learning-rate", type=float, metavar="X")
    parser.add_argument("--crop-seconds", type=float, metavar="S", help="train on random crops of this length")
    parser.add_argument("--seed", type=int, metavar="N", help="of weights, order and crops; split.seed is the split's")
    parser.add_argument("--device", metavar="auto|cpu|cuda[:N]|mps")
    parser.add_argument("--nproc", type=int, metavar="N", help="processes that share every batch, one a GPU")
    split = parser.add_mutually_exclusive_group()
    split.add_argument(
        "--split-column", metavar="[CSV:]COLUMN", help="take train, valid and test from a column of an index"
    )
    split.add_argument(
        "--groups", metavar="[CSV:]COLUMN", help="keep the clips of a group, such as an artist, together"
    )
    parser.add_argument("--plain", action="store_true", default=None, help="the plain path: float32, nothing tuned")
    add_settings_option(
        parser, "any field of the recipe, such as optimiser.schedule=cosine or front_end.seconds=15; may be repeated"
    )
    parser.add_argument("--name", help="what to call the run (the time, the dataset and the model)")
    later = parser.add_mutually_exclusive_group()
    later.add_argument("--detach", action="store_true", help="print the run's name and return at once")
    later.add_argument(
        "--prepare", action="store_true", help="make the run's folder, print it, and leave its start to you"
    )
    parser.add_argument("--bell", action="store_true", help="ring the terminal's bell when the run ends")
    parser.add_argument("--webhook", metavar="URL", help="where the trainer posts a summary when the run ends")
    add_runs_option(parser)


def run(args: argparse.Namespace) -> int:
    from core.runs.directory import create
    from core.runs.folder import dataset_name
    from core.runs.launch import launch
    from core.runs.webhook import write_webhook
    from tui.commands.runs.follow import follow

    data = Path(args.data).expanduser().absolute()
    if not data.is_dir():
        raise UserError(f"{args.data} is no folder; give a folder of genres, or a feature pack")
    recipe = recipe_from(args, data)
    _check(data, recipe)
    folder = create(runs_dir(args), to_dict(recipe), dataset_name(data), recipe.model, name=args.name)
    if args.webhook:
        write_webhook(folder, args.webhook)
    if args.prepare:
        print_data(folder.path)
        print_note(f"start it with: genre-tui resume {shlex.quote(folder.name)}, or with torchrun on several machines")
        return DONE
    launch(folder)
    if args.detach:
        print_data(folder.name)
        print_note(f"training in {folder.path}; watch it with: genre-tui attach {shlex.quote(folder.name)}")
        return DONE
    print_note(f"run {folder.name}")
    return follow(folder, bell=args.bell)


def _check(data: Path, recipe: Recipe) -> None:
    """Looks at every file (the trainer need not do it again), so that no run is made that cannot be.

    Raises:
        UserError: the dataset cannot be trained on, or there is no such device.
    """
    # These load numpy and the decoders: not for --help.
    from core.dataset.scan import scan
    from core.dataset.split import split

    found = scan(data, seconds=recipe.front_end.seconds, on_progress=Progress("files scanned"))
    split(found.clips, recipe.split)
    if recipe.device not in ("auto", "cpu"):
        from core.util.device import choose_device

        choose_device(recipe.device)


def recipe_from(args: argparse.Namespace, data: Path) -> Recipe:
    """The preset's recipe with what the command line changes.

    Raises:
        UsageError: a field does not exist, or a value does not fit it.
    """
    plain: dict[str, Any] = to_dict(preset(args.preset, str(data)))
    for option, field in FLAGS.items():
        if (value := getattr(args, option)) is not None:
            _set(plain, field, value)
    if args.split_column:
        plain["split"] |= {"protocol": "column", "column": _absolute(args.split_column)}
    if args.groups:
        plain["split"] |= {"protocol": "grouped", "groups": _absolute(args.groups)}
    for setting in args.settings:
        field, equals, text = setting.partition("=")
        if not equals:
            raise UsageError(f"--set takes FIELD=VALUE, not {setting!r}")
        _set(plain, field.strip(), _value(text.strip()))
    try:
        return from_dict(plain)
    except msgspec.ValidationError as error:
        raise UsageError(f"this recipe cannot be: {error}") from error


def _absolute(column: str) -> str:
    """``INDEX.csv:COLUMN`` so that the trainer finds it from anywhere; a column of the dataset's own index as it is."""
    path, colon, name = column.rpartition(":")
    return f"{Path(path).expanduser().absolute()}:{name}" if colon else column


def _set(plain: dict[str, Any], field: str, value: object) -> None:
    *groups, name = field.split(".")
    for group in groups:
        inner = plain.get(group)
        if not isinstance(inner, dict):
            raise UsageError(f"a recipe has no settings {group!r}; those with a dot are {', '.join(_groups(plain))}")
        plain = inner
    plain[name] = value


def _groups(plain: dict[str, Any]) -> list[str]:
    return [name for name, value in plain.items() if isinstance(value, dict)]


def _value(text: str) -> object:
    """A number, true, false, null or a list as JSON has them; anything else is a text."""
    try:
        return msgspec.json.decode(text.encode())
    except msgspec.DecodeError:
        return text
