"""``data ACTION``: inspect a dataset and its labels, make one, or pack its features without audio."""

import argparse
import math
from collections.abc import Iterable
from pathlib import Path

import msgspec

from core.features.settings import EFFECTS, FrontEndSettings, effects_of
from core.training.presets import DEFAULT_PRESET, PRESETS, preset
from core.training.recipe import HIGHEST_SEED, Recipe
from core.util.errors import UserError
from core.util.text import counted
from tui.commands import labels
from tui.commands.common import (
    DATA_HELP,
    EXCERPTS_HELP,
    Progress,
    add_device_option,
    add_label_options,
    add_settings_option,
    excerpt_rule,
    label_settings,
    writing,
)
from tui.commands.runs.train import recipe_from
from tui.new_run.command import FLAGS
from tui.shell.printing import DONE, FAILED, UsageError, print_data, print_json, print_lines, print_note

FRONT_END = {
    "sample_rate": ("HZ", int, "sample rate of the audio"),
    "n_fft": ("N", int, "length of the FFT in samples"),
    "hop_length": ("N", int, "samples between two frames"),
    "n_mels": ("N", int, "number of mel bands"),
    "top_db": ("DB", float, "dynamic range"),
    "seconds": ("S", float, "length of a clip"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    check = actions.add_parser("check", help="clips, hours, formats; unreadable and silent files; duplicates")
    check.add_argument("folder", metavar="DATA", help=DATA_HELP)
    add_label_options(check)
    check.add_argument(
        "--decode",
        action=argparse.BooleanOptionalAction,
        help="decode every file whole, which finds damage in its middle and near duplicates; --no-decode reads headers "
        "and both ends only (decode up to 100 hours of sound)",
    )
    check.add_argument("--json", action="store_true", help="print the report as one JSON object")

    split = actions.add_parser("split", help="write the split that training would use as a table to edit")
    split.add_argument("folder", metavar="DATA", help=DATA_HELP)
    split.add_argument("--out", metavar="CSV", type=Path, required=True, help="the table: path, genre, split")
    split.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the split (0)")
    add_label_options(split)

    demo = actions.add_parser("demo", help="make a small synthetic dataset: ten made-up sounds, not music")
    demo.add_argument("out", metavar="OUT", nargs="?", default="demo", help="output folder (./demo)")
    demo.add_argument("--clips", type=int, default=12, metavar="N", help="clips per genre (12)")
    demo.add_argument("--seconds", type=float, default=10.0, metavar="S", help="length of a clip (10)")
    demo.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the sounds (0)")

    _add_preview(
        actions.add_parser("preview", help="what a recipe's augmentation does to a clip, as pictures and as sound")
    )

    labels.add_suspects_arguments(
        actions.add_parser("suspects", help="files whose labels are probably wrong, most doubtful first")
    )
    labels.add_labels_arguments(
        actions.add_parser("labels", help="decisions about labels: write a new table, show them, take them back")
    )

    pack = actions.add_parser("pack", help="turn a folder of audio into a feature pack that trains without it")
    pack.add_argument("folder", metavar="DATA", help=DATA_HELP)
    add_label_options(pack)
    pack.add_argument("out", metavar="OUT", help="a new folder")
    pack.add_argument("--preset", choices=PRESETS, default=DEFAULT_PRESET, help="preset that gives the front end")
    pack.add_argument("--excerpts", type=excerpt_rule, metavar="RULE", help=f"{EXCERPTS_HELP} (the preset's)")
    add_device_option(pack)
    _add_front_end(pack, FRONT_END)

    archive = actions.add_parser("import", help="turn an .npz archive of log-mel spectrograms into a feature pack")
    archive.add_argument("archive", metavar="NPZ", help="holds X [clips, mels, frames] of bytes, name and genre")
    archive.add_argument("out", metavar="OUT", help="a new folder")
    archive.add_argument("--index", metavar="CSV", help="metadata table with more columns for the clips")
    # The length of an archive's clips is given.
    _add_front_end(archive, [name for name in FRONT_END if name != "seconds"])


def run(args: argparse.Namespace) -> int:
    actions = {
        "check": _check,
        "split": _split,
        "demo": _demo,
        "preview": _preview,
        "suspects": labels.suspects,
        "labels": labels.labels,
        "pack": _pack,
        "import": _import,
    }
    return actions[args.action](args)


def _check(args: argparse.Namespace) -> int:
    from core.dataset.report import check

    report = check(
        args.folder,
        labels=label_settings(args),
        decode=args.decode,
        on_progress=Progress("files scanned"),
        on_decoded=Progress("files decoded"),
        on_features=Progress("spectrograms"),
    )
    if args.json:
        print_json(report.as_dict())
    else:
        print_lines(report.as_text())
    return FAILED if report.excluded or report.refused else DONE


def _split(args: argparse.Namespace) -> int:
    from core.dataset.scan import scan
    from core.dataset.settings import SplitSettings
    from core.dataset.split import default_split, split, split_table
    from core.util.atomic import write_output

    found = scan(args.folder, labels=label_settings(args), on_progress=Progress("files scanned"))
    settings, _ = default_split(found, SplitSettings(seed=args.seed))
    parts = split(found.clips, settings)
    with writing(args.out):
        write_output(args.out, split_table(found.root, found.clips, parts))
    for note in [found.label_source, *found.notes, settings.describe()]:
        print_note(note)
    print_data(args.out)
    print_note(f"edit the column split, then: genre-tui train {args.folder} --split-column {args.out}:split")
    return DONE


def _demo(args: argparse.Namespace) -> int:
    from core.dataset.synthetic import make_demo

    if args.clips < 1 or not 0 < args.seconds < math.inf:
        raise UsageError("--clips and --seconds must be above 0")
    genres = make_demo(args.out, clips_per_genre=args.clips, seconds=args.seconds, seed=args.seed)
    print_data(genres)
    print_note(f"synthetic sounds, not music; train on them with: genre-tui train {genres}")
    return DONE


def _pack(args: argparse.Namespace) -> int:
    from core.dataset.pack import pack
    from core.util.device import choose_device

    recipe = preset(args.preset, args.folder)
    settings = _front_end(args, recipe.front_end)
    excluded = pack(
        args.folder,
        args.out,
        settings,
        labels=label_settings(args),
        excerpts=recipe.excerpts if args.excerpts is None else args.excerpts,
        device=choose_device(args.device),
        on_note=print_note,
        on_scanning=Progress("files scanned"),
        on_features=Progress("spectrograms"),
    )
    for clip in excluded:
        print_note(f"left out {clip.path}: {clip.reason}")
    print_data(args.out)
    return FAILED if excluded else DONE


def _import(args: argparse.Namespace) -> int:
    from core.dataset.pack import ARCHIVE_FRONT_END, import_archive

    settings = _front_end(args, ARCHIVE_FRONT_END)
    features = import_archive(args.archive, args.out, args.index, settings, on_note=print_note)
    print_data(args.out)
    print_note(f"{counted(len(features), 'clip')} of {counted(len(features.genres), 'genre')}")
    return DONE


def _add_front_end(parser: argparse.ArgumentParser, names: Iterable[str]) -> None:
    group = parser.add_argument_group("front end")
    for name in names:
        metavar, kind, help = FRONT_END[name]
        group.add_argument(f"--{name.replace('_', '-')}", type=kind, metavar=metavar, help=help)
    group.add_argument("--mel-scale", choices=("htk", "slaney"), help="formula of the mel scale")
    group.add_argument("--mel-norm", choices=("slaney", "none"), help="normalisation of the mel filters")


def _front_end(args: argparse.Namespace, base: FrontEndSettings) -> FrontEndSettings:
    """``base`` with what the options change.

    Raises:
        UsageError: a value is invalid.
    """
    offered = (*FRONT_END, "mel_scale")
    named = {name: value for name in offered if (value := getattr(args, name, None)) is not None}
    if args.mel_norm is not None:
        named["mel_norm"] = None if args.mel_norm == "none" else args.mel_norm
    try:
        # Through plain values, because replace() skips the checks.
        return msgspec.convert(msgspec.to_builtins(base) | named, FrontEndSettings)
    except msgspec.ValidationError as error:
        raise UsageError(f"invalid front end: {error}") from error


def _add_preview(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a clip of audio")
    parser.add_argument(
        "out", metavar="OUT", nargs="?", type=Path, default=Path("preview"), help="a folder (./preview)"
    )
    parser.add_argument("--preset", choices=PRESETS, default="best", help="whose augmentation (best)")
    add_settings_option(parser, "any field of the augmentation, such as equaliser_range=12; may be repeated")
    parser.add_argument("--effect", action="append", metavar="NAME", help="only this one; may be repeated")
    parser.add_argument("--start", type=float, default=0.0, metavar="S", help="where in the clip to begin (0)")
    parser.add_argument("--seconds", type=float, default=8.0, metavar="S", help="how much of it to take (8)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the random amounts (0)")


def _preview(args: argparse.Namespace) -> int:
    from core.audio.conversion import resample
    from core.audio.files.decode import decode
    from core.features.augment import augment_preview
    from core.reports.spectrograms import write_picture, write_sound

    if not 0 < args.seconds < math.inf:  # NaN is neither
        raise UsageError("--seconds must be a number above 0")
    if not 0 <= args.start < math.inf:
        raise UsageError("--start must be a number from 0 on")
    if not 0 <= args.seed <= HIGHEST_SEED:
        raise UsageError(f"--seed must be a number from 0 to {HIGHEST_SEED}")
    recipe = _augmented_recipe(args)
    if strange := set(args.effect or ()) - set(EFFECTS):
        raise UsageError(f"unknown effect {', '.join(sorted(strange))}: choose from {', '.join(EFFECTS)}")
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


def _augmented_recipe(args: argparse.Namespace) -> Recipe:
    """The preset's, with its augmentation as ``--set`` says; read as ``train --set`` reads it.

    Raises:
        UsageError: a field does not exist, or a value does not fit it.
    """
    changes = {"settings": [f"augmentation.{setting}" for setting in args.settings], "preset": args.preset}
    others = dict.fromkeys([*FLAGS, "encoder", "split_column", "groups"])
    return recipe_from(argparse.Namespace(**others | changes), Path())
