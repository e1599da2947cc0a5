"""``train DATA``: starts a run and follows it in plain lines, or returns at once (``--detach``)."""

import argparse
import shlex
from pathlib import Path
from typing import Any

import msgspec

from core.dataset.pack_manifest import is_pack
from core.models.encoders.load import encoder_settings
from core.models.registry import ARCHITECTURES, MODELS
from core.runs.notices import FORMATS, check_webhook
from core.training.fields import decode_value
from core.training.presets import DEFAULT_PRESET, PRESETS, preset, with_encoder
from core.training.recipe import Recipe, from_dict, to_dict
from core.util.archive.path import as_path
from core.util.errors import UserError
from core.util.files import typed_path
from tui.commands.common import (
    DATA_HELP,
    EXCERPTS_HELP,
    Progress,
    add_device_option,
    add_label_options,
    add_runs_option,
    add_settings_option,
    excerpt_rule,
    label_settings,
    runs_dir,
    user_settings,
)
from tui.commands.parser import did_you_mean
from tui.new_run.command import FLAGS
from tui.new_run.notifications import rules_from
from tui.shell.printing import DONE, UsageError, print_data, print_note


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", metavar="DATA", help=DATA_HELP)
    add_label_options(parser)
    parser.add_argument("--preset", choices=PRESETS, default=DEFAULT_PRESET, help=f"base recipe ({DEFAULT_PRESET})")
    parser.add_argument("--model", choices=MODELS, help="; ".join(f"{name}: {line}" for name, line in MODELS.items()))
    add_encoder_option(parser)
    parser.add_argument("--epochs", type=int, metavar="N", help="number of epochs")
    parser.add_argument("--batch-size", type=int, metavar="N", help="clips, or crops, per batch")
    parser.add_argument("--learning-rate", type=float, metavar="X", help="peak learning rate")
    parser.add_argument("--crop-seconds", type=float, metavar="S", help="train on random crops of this length")
    parser.add_argument(
        "--excerpts",
        type=excerpt_rule,
        metavar="RULE",
        help=EXCERPTS_HELP,
    )
    parser.add_argument(
        "--seed", type=int, metavar="N", help="seed of weights, order and crops; the split has its own, split.seed"
    )
    add_device_option(parser, default=None)
    parser.add_argument("--nproc", type=int, metavar="N", help="processes that share every batch, one per GPU")
    split = parser.add_mutually_exclusive_group()
    split.add_argument(
        "--split-column", metavar="[CSV:]COLUMN", help="metadata column that says train, valid or test for each clip"
    )
    split.add_argument(
        "--groups",
        metavar="auto|[CSV:]COLUMN",
        help="metadata column whose groups are never split; auto: artist, else album, else clips that sound alike",
    )
    parser.add_argument(
        "--plain", action="store_true", default=None, help="train in float32 without any performance tuning"
    )
    add_settings_option(
        parser, "any field of the recipe, such as optimiser.schedule=cosine or front_end.seconds=15; repeatable"
    )
    parser.add_argument("--name", metavar="NAME", help="name of the run (dataset, preset and a number)")
    later = parser.add_mutually_exclusive_group()
    later.add_argument("--detach", action="store_true", help="print the run's name and return at once")
    later.add_argument(
        "--prepare", action="store_true", help="make the run folder and print its path without starting the training"
    )
    parser.add_argument(
        "--queue", action="store_true", help="wait until no other run of yours uses the device, first come first served"
    )
    parser.add_argument("--bell", action="store_true", help="ring the terminal's bell when the run ends")
    parser.add_argument(
        "--webhook", metavar="URL", help="address that notices about the run are posted to (the one in the settings)"
    )
    parser.add_argument(
        "--webhook-format", choices=FORMATS, metavar="FORMAT", help=f"{', '.join(FORMATS)} (auto: by the address)"
    )
    parser.add_argument(
        "--notify",
        action="append",
        default=[],
        metavar="RULE=VALUE",
        help="another rule for the webhook than the settings', such as best_above=0.8 or stopped=false; repeatable",
    )
    add_runs_option(parser)


def add_encoder_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--encoder",
        metavar="NAME|PATH",
        help="train a head on a pretrained encoder, instead of a network: a name that genre-tui encoders lists, a "
        "folder with a checkpoint of transformers, or a repository of the model hub",
    )


def run(args: argparse.Namespace) -> int:
    from core.runs.actions import start
    from core.runs.folder import dataset_name
    from tui.commands.runs.follow import follow

    if args.queue and args.prepare:
        raise UsageError("--prepare starts no training that could be queued; resume --queue does that later")
    data = typed_path(args.data)
    if not as_path(data).is_dir():
        what = f"{args.data} is a file" if data.exists() else f"there is no folder or archive {args.data}"
        raise UserError(f"{what}; give a folder of music, an archive of one, or a feature pack")
    recipe = recipe_from(args, data)
    settings = user_settings()
    try:
        rules = rules_from(args.notify, settings.notify)
    except ValueError as error:
        raise UsageError(f"--notify: {error}") from error
    webhook = settings.webhook_for(args.webhook, args.webhook_format, rules)
    if args.notify and webhook is None:
        raise UsageError("--notify needs an address: give --webhook URL, or set webhook in the settings")
    if webhook is not None:
        check_webhook(webhook)
    recipe = _checked(args, data, recipe)
    folder = start(
        runs_dir(args),
        to_dict(recipe),
        dataset_name(data),
        name=args.name,
        webhook=webhook,
        prepare_only=args.prepare,
        queue=args.queue,
    )
    if args.prepare:
        print_data(folder.path)
        print_note(f"start it with: genre-tui resume {shlex.quote(folder.name)}; or with torchrun on several machines")
        return DONE
    if args.detach:
        print_data(folder.name)
        what = "queued" if args.queue else "training"
        print_note(f"{what} in {folder.path}; watch it with: genre-tui attach {shlex.quote(folder.name)}")
        return DONE
    print_note(f"run {folder.name}")
    return follow(folder, bell=args.bell, settings=settings)


def _checked(args: argparse.Namespace, data: Path, recipe: Recipe) -> Recipe:
    """Scan and split the dataset, so that no run is created that could not start; the trainer reuses the scan.

    The recipe that is returned names the labels that were found, and where no option asks for a split, the one that
    suits the dataset.

    Raises:
        UserError: the dataset cannot be trained on, or the device does not exist.
    """
    # Imported here because they load numpy and the decoders, which --help does not need.
    from core.dataset.clip import searched_seconds
    from core.dataset.scan import scan
    from core.dataset.split import default_split, split

    seconds = searched_seconds(recipe.front_end.seconds, recipe.excerpts)
    found = scan(data, labels=recipe.labels, seconds=seconds, on_progress=Progress("files scanned"))
    print_note(found.label_source)
    for note in found.notes:
        print_note(note)
    recipe = msgspec.structs.replace(recipe, labels=found.labels)
    asked = args.split_column or args.groups or any(setting.startswith("split.") for setting in args.settings)
    if not asked:
        divided, note = default_split(found, recipe.split)
        recipe = msgspec.structs.replace(recipe, split=divided)
        if note:
            print_note(note)
    split(found.clips, recipe.split)
    if recipe.device not in ("auto", "cpu"):
        from core.util.device import choose_device

        choose_device(recipe.device)
    return recipe


def recipe_from(args: argparse.Namespace, data: Path) -> Recipe:
    """The preset's recipe with the changes that the command line makes.

    Raises:
        UsageError: a field does not exist, or a value does not fit it.
    """
    base = preset(args.preset, str(data))
    if args.encoder is not None:
        if args.model is not None:
            raise UsageError("--encoder trains a head of its own and takes no --model: leave one of them out")
        if is_pack(data):
            raise UsageError("--encoder needs sound, which a feature pack does not have: give the folder of audio")
        encoder = encoder_settings(args.encoder)
        try:
            base = with_encoder(base, encoder)
        except ValueError as error:
            raise UserError(f"the encoder {args.encoder} does not fit the front end: {error}") from error
    plain: dict[str, Any] = to_dict(base)
    for option, field in FLAGS.items():
        if (value := getattr(args, option)) is not None:
            _set(plain, field, value)
    if "labels" in args:
        plain["labels"] = msgspec.to_builtins(label_settings(args))
    if args.split_column:
        plain["split"] |= {"protocol": "column", "column": _absolute(args.split_column)}
    if args.groups:
        plain["split"] |= {"protocol": "grouped", "groups": _absolute(args.groups)}
    for setting in args.settings:
        field, equals, text = setting.partition("=")
        if not equals:
            raise UsageError(f"--set takes FIELD=VALUE, not {setting!r}")
        _set(plain, field.strip(), decode_value(text.strip()))
    try:
        recipe = from_dict(plain)
    except msgspec.ValidationError as error:
        raise UsageError(f"invalid recipe: {_explained(error)}") from error
    if recipe.model not in ARCHITECTURES:
        raise UsageError(
            f"there is no model {recipe.model!r}{did_you_mean(recipe.model, MODELS)} (models: {', '.join(MODELS)})"
        )
    return recipe


def field_names(plain: dict[str, Any]) -> list[str]:
    """``epochs``, ``optimiser.warmup``: the fields of a recipe as ``--set`` takes them."""
    names: list[str] = []
    for name, value in plain.items():
        names += [f"{name}.{inner}" for inner in value] if isinstance(value, dict) and value else [name]
    return names


def _absolute(column: str) -> str:
    """``CSV:COLUMN`` with an absolute path, which the trainer finds from anywhere; a column alone as it is."""
    path, colon, name = column.rpartition(":")
    return f"{typed_path(path)}:{name}" if colon else column


def _set(plain: dict[str, Any], field: str, value: object) -> None:
    group, dot, name = field.rpartition(".")
    inner = plain.get(group) if dot else plain
    if not isinstance(inner, dict) or (name not in inner and group != "model_options"):
        names = field_names(plain)
        raise UsageError(
            f"a recipe has no field {field!r}{did_you_mean(field, names)} (fields: {', '.join(names)}, model_options.*)"
        )
    inner[name] = value


def _explained(error: msgspec.ValidationError) -> str:
    """``epochs: expected int, got str`` for "Expected `int`, got `str` - at `$.epochs`"."""
    what, _, place = str(error).replace("`", "").partition(" - at $.")
    return f"{place}: {what[0].lower()}{what[1:]}" if place else what
