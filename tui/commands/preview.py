"""``data preview FILE``: what a recipe's augmentation does to a clip, as pictures and as sound."""

import argparse
from pathlib import Path

import msgspec

from core.errors import UserError
from core.features.effects import EFFECTS, effects_of
from core.training.presets import PRESETS, preset
from tui.commands.common import narrate
from tui.exits import DONE, UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a clip of audio")
    parser.add_argument(
        "out", metavar="OUT", nargs="?", type=Path, default=Path("preview"), help="a folder (./preview)"
    )
    parser.add_argument("--preset", choices=PRESETS, default="best", help="whose augmentation (best)")
    parser.add_argument("--effect", action="append", metavar="NAME", help="only this one; may be repeated")
    parser.add_argument("--start", type=float, default=0.0, metavar="S", help="where in the clip to begin (0)")
    parser.add_argument("--seconds", type=float, default=8.0, metavar="S", help="how much of it to take (8)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="another number, other amounts (0)")


def run(args: argparse.Namespace) -> int:
    from core.audio.decode import decode
    from core.audio.resample import resample
    from core.features.audition import audition
    from core.reports.auditions import write_picture, write_sound

    if args.seconds <= 0:
        raise UsageError("--seconds must be above 0")
    recipe = preset(args.preset, "")
    if strange := set(args.effect or ()) - set(EFFECTS):
        raise UsageError(f"there is no effect {', '.join(sorted(strange))}: take {', '.join(EFFECTS)}")
    effects = args.effect or effects_of(recipe.augmentation)
    wave_N, rate = decode(args.file, start=args.start, duration=args.seconds)
    wave_N = resample(wave_N, rate, recipe.front_end.sample_rate)
    try:
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{args.out} cannot be written: {error.strerror}") from error
    for heard in audition(wave_N, recipe.front_end, recipe.augmentation, effects, args.seed):
        print(write_picture(args.out, heard))
        print(write_sound(args.out, heard))
    if not effects:
        narrate(f"the preset {args.preset} changes nothing; name an --effect: {', '.join(EFFECTS)}")
    settings = msgspec.to_builtins(recipe.augmentation)
    for effect in effects:
        ranges = {key: value for key, value in settings.items() if key.startswith(f"{effect}_")}
        told = ", ".join(f"{key} {value}" for key, value in ranges.items())
        narrate(
            f"{effect}: probability {settings[effect]:g} in the preset {args.preset}" + (f"; {told}" if told else "")
        )
    return DONE
