"""``data preview FILE``: what a recipe's augmentation does to a clip, as pictures and as sound."""

import argparse
import math
from pathlib import Path

import msgspec

from core.features.settings import EFFECTS, effects_of
from core.training.presets import PRESETS
from core.training.recipe import HIGHEST_SEED, Recipe
from core.util.errors import UserError
from tui.commands.common import add_settings_option
from tui.commands.exit_codes import DONE, UsageError
from tui.commands.runs.train import recipe_from
from tui.new_run.command import FLAGS
from tui.shell.printing import print_data, print_note


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a clip of audio")
    parser.add_argument(
        "out", metavar="OUT", nargs="?", type=Path, default=Path("preview"), help="a folder (./preview)"
    )
    parser.add_argument("--preset", choices=PRESETS, default="best", help="whose augmentation (best)")
    add_settings_option(parser, "any field of the augmentation, such as equaliser_range=12; may be repeated")
    parser.add_argument("--effect", action="append", metavar="NAME", help="only this one; may be repeated")
    parser.add_argument("--start", type=float, default=0.0, metavar="S", help="where in the clip to begin (0)")
    parser.add_argument("--seconds", type=float, default=8.0, metavar="S", help="how much of it to take (8)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="another number, other amounts (0)")


def run(args: argparse.Namespace) -> int:
    from core.audio.files.decode import decode
    from core.audio.resample import resample
    from core.features.augment_preview import augment_preview
    from core.reports.spectrograms import write_picture, write_sound

    if not 0 < args.seconds < math.inf:  # NaN is neither
        raise UsageError("--seconds must be a number above 0")
    if not 0 <= args.start < math.inf:
        raise UsageError("--start must be a number from 0 on")
    if not 0 <= args.seed <= HIGHEST_SEED:
        raise UsageError(f"--seed must be a number from 0 to {HIGHEST_SEED}")
    recipe = _recipe(args)
    if strange := set(args.effect or ()) - set(EFFECTS):
        raise UsageError(f"there is no effect {', '.join(sorted(strange))}: take {', '.join(EFFECTS)}")
    effects = args.effect or effects_of(recipe.augmentation)
    wave_N, rate = decode(args.file, start=args.start, duration=args.seconds)
    wave_N = resample(wave_N, rate, recipe.front_end.sample_rate)
    previews = augment_preview(wave_N, recipe.front_end, recipe.augmentation, effects, args.seed)
    try:
        args.out.mkdir(parents=True, exist_ok=True)
        for trial in previews:
            print_data(write_picture(args.out, trial))
            print_data(write_sound(args.out, trial))
    except BrokenPipeError:  # that is standard output, and no file
        raise
    except OSError as error:
        raise UserError(f"{args.out} cannot be written: {error.strerror}.") from error
    source = f"the preset {args.preset}" + (" with these settings" if args.settings else "")
    if not effects:
        print_note(f"{source} changes nothing; name an --effect: {', '.join(EFFECTS)}")
    settings = msgspec.to_builtins(recipe.augmentation)
    for effect in effects:
        ranges = {key: value for key, value in settings.items() if key.startswith(f"{effect}_")}
        shown = ", ".join(f"{key} {value}" for key, value in ranges.items())
        print_note(f"{effect}: probability {settings[effect]:g} in {source}" + (f"; {shown}" if shown else ""))
    return DONE


def _recipe(args: argparse.Namespace) -> Recipe:
    """The preset's, with its augmentation as ``--set`` says; read as ``train --set`` reads it.

    Raises:
        UsageError: a field does not exist, or a value does not fit it.
    """
    changes = {"settings": [f"augmentation.{setting}" for setting in args.settings], "preset": args.preset}
    others = dict.fromkeys([*FLAGS, "encoder", "split_column", "groups"])
    return recipe_from(argparse.Namespace(**others | changes), Path())
