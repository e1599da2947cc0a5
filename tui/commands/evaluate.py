"""``evaluate MODEL DATA`` and ``crossval DATA``: evaluate a model on labelled clips, or cross-validate a recipe."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from core.dataset.pack_manifest import is_pack
from core.models.registry import MODELS
from core.runs.journal.log_lines import percent
from core.training.presets import PRESETS
from core.training.recipe import to_dict
from core.util.files import typed_path
from core.util.text import counted
from tui.commands.common import (
    DATA_HELP,
    Progress,
    add_device_option,
    add_label_options,
    add_runs_option,
    add_settings_option,
    label_settings,
    runs_dir,
)
from tui.commands.crossval_report import check_comparable, compare, facts_of, read_earlier, text_of
from tui.commands.runs.train import add_encoder_option, recipe_from
from tui.new_run.command import FLAGS
from tui.shell.printing import DONE, UsageError, print_json, print_lines, print_note

if TYPE_CHECKING:
    from core.dataset.clip import Excluded
    from core.dataset.store.feature_set import FeatureSet
    from core.training.evaluation.crossval import Fold

OF_PROTOCOLS: dict[str, tuple[tuple[str, ...], Any]] = {
    "seeds": (("random", "split"), 5),
    "folds": (("grouped",), 5),
    "groups": (("grouped",), None),
    "split_column": (("split",), "split"),
    "train_part": (("split",), "train"),
    "part": (("split",), "valid"),
}
"""Option of ``crossval`` → the protocols that it belongs to, and its default there."""
MOST_TRAININGS = 1000
IDLE = {
    "data": "DATA names it",
    "preset": "--preset names it",
    "patience": "every training runs all of its epochs",
    "processes": "training uses one process",
    "seed": "trainings of random and split have the seeds 0, 1, 2, ..., those of grouped 0",
    "spectrograms": "no spectrograms are written",
    "labels": "--labels and its options name them",
    "split": "--protocol and its options split the clips",
}
"""Recipe fields without effect in a cross-validation, and why."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a model file, a run, or default")
    parser.add_argument("data", metavar="DATA", help=DATA_HELP)
    add_label_options(parser)
    parser.add_argument(
        "--part",
        metavar="PART",
        help="train, valid or test as in the model's training, or all; with --split-column a value of that column "
        "(every clip that the model was not trained on)",
    )
    parser.add_argument("--split-column", metavar="COLUMN", help="metadata column that holds the parts")
    parser.add_argument("--index", type=Path, metavar="CSV", help="metadata, where the dataset has none of its own")
    parser.add_argument(
        "--against",
        metavar="MODEL",
        help="another model, evaluated on exactly the same clips: McNemar's test of the two",
    )
    add_device_option(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    add_runs_option(parser)


def run(args: argparse.Namespace) -> int:
    from core.inference.find_model import find_model

    path = find_model(args.model, runs_dir(args))
    against = None if args.against is None else find_model(args.against, runs_dir(args))

    from core.reports.metrics import Assessment, as_text
    from core.training.evaluation.baseline import Baseline
    from core.training.evaluation.evaluate import evaluate

    print_note(f"evaluating {path}" + (f" against {against}" if against else ""))
    figures = evaluate(
        path,
        args.data,
        against=against,
        part=args.part,
        split_column=args.split_column,
        labels=label_settings(args),
        index=args.index,
        device=args.device,
        on_scanning=Progress("files scanned"),
        on_features=Progress("spectrograms"),
        on_excluded=note_excluded,
        on_note=print_note,
    )
    if args.json:
        print_json(figures)
    else:
        heading = f"{figures['model']} on {figures['dataset']}: {figures['protocol']}"
        if "baseline" in figures:
            heading += f"\n{msgspec.convert(figures['baseline'], Baseline).as_text(figures['accuracy'])}"
        below = [*_levels(figures), *(_comparison(figures) if against else [])]
        print_lines(as_text(msgspec.convert(figures, Assessment), heading, "\n".join(below)))
    return DONE


def note_excluded(file: "Excluded") -> None:
    print_note(f"left out {file.path}: {file.reason}")


def _levels(figures: dict[str, Any]) -> list[str]:
    """A line for each level of a tree of genres."""
    return [
        f"level {name}, {counted(len(level['genres']), 'genre')}: accuracy {percent(level['accuracy'])}, "
        f"macro F1 {level['macro_f1']:.3f}"
        for name, level in figures.get("levels", {}).items()
    ]


def _comparison(figures: dict[str, Any]) -> list[str]:
    other, test = figures["against"], figures["mcnemar"]
    return [
        f"against {other['model']}: accuracy {percent(other['accuracy'])} of the same clips",
        f"McNemar's test: p = {test['p']:.3g}; {test['only_this']:,} of {test['clips']:,} clips correct only with "
        f"this model, {test['only_other']:,} only with the other",
    ]


def add_crossval_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", metavar="DATA", help=DATA_HELP)
    add_label_options(parser)
    parser.add_argument(
        "--protocol",
        choices=("random", "grouped", "split"),
        required=True,
        help="random stratified splits; folds that keep groups together; or the split of a metadata column",
    )
    parser.add_argument("--seeds", type=int, metavar="N", help="random and split: number of trainings (5)")
    parser.add_argument("--folds", type=int, metavar="N", help="grouped: number of folds (5)")
    parser.add_argument(
        "--groups",
        metavar="[CSV:]COLUMN",
        help="grouped: metadata column, such as artist (without it, clips that sound like one recording form a group)",
    )
    parser.add_argument("--split-column", metavar="COLUMN", help="split: the metadata column (split)")
    parser.add_argument("--train-part", metavar="PART", help="split: value of the clips to train on (train)")
    parser.add_argument("--part", metavar="PART", help="split: value of the clips to test on (valid)")
    parser.add_argument("--index", type=Path, metavar="CSV", help="metadata, where the dataset has none of its own")
    parser.add_argument("--preset", choices=PRESETS, default="best", help="base recipe (best)")
    parser.add_argument("--model", choices=MODELS, help="network, instead of the preset's")
    add_encoder_option(parser)
    parser.add_argument("--epochs", type=int, metavar="N", help="number of epochs per training")
    add_device_option(parser, default=None)
    add_settings_option(parser, "any field of the recipe, such as optimiser.schedule=cosine; repeatable")
    parser.add_argument(
        "--against", type=Path, metavar="JSON", help="an earlier --json result with the same protocol: McNemar's test"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object, with every prediction")


def crossval(args: argparse.Namespace) -> int:
    from core.training.evaluation.crossval import cross_validate, load

    _check_options(args)
    earlier = read_earlier(args.against) if args.against else None
    recipe = recipe_from(_as_for_train(args), typed_path(args.data))
    features, recipe = load(
        args.data,
        recipe,
        index=args.index,
        on_scanning=Progress("files scanned"),
        on_features=Progress("spectrograms"),
        on_excluded=note_excluded,
        on_note=print_note,
    )
    folds, protocol = _folds(args, features)
    if earlier is not None:
        check_comparable(args.against, earlier, protocol, [features.clips[i] for one in folds for i in one.test])
    results = []
    for result in cross_validate(recipe, features, folds, _note_epoch):
        results.append(result)
        print_note(
            f"{result.fold.name}: {percent(result.evaluation.accuracy)} of {counted(len(result.fold.test), 'clip')}"
        )
    facts = facts_of(results, features, protocol, args.groups) | {"recipe": to_dict(recipe)}
    if earlier is not None:
        facts["mcnemar"] = compare(facts, earlier)
    if args.json:
        print_json(facts)
    else:
        print_lines(text_of(facts))
    return DONE


def _check_options(args: argparse.Namespace) -> None:
    """Refuse options without effect, then fill in defaults.

    Raises:
        UsageError: an option or a field has no effect, or an invalid value.
    """
    for name, (protocols, default) in OF_PROTOCOLS.items():
        if getattr(args, name) is None:
            setattr(args, name, default)
        elif args.protocol not in protocols:
            option, of = name.replace("_", "-"), " or ".join(protocols)
            raise UsageError(
                f"--{option} belongs to --protocol {of} and has no effect in {args.protocol}: leave it out"
            )
    if args.protocol == "split" and args.part == args.train_part:
        raise UsageError(
            f"--part and --train-part are both {args.part!r}: name two parts, one to train and one to test on"
        )
    if not 1 <= args.seeds <= MOST_TRAININGS or not 2 <= args.folds <= MOST_TRAININGS:
        raise UsageError(f"--seeds must be from 1 to {MOST_TRAININGS:,}, and --folds from 2 to {MOST_TRAININGS:,}")
    idle = IDLE | ({"front_end": "a feature pack brings its own"} if is_pack(Path(args.data)) else {})
    for setting in args.settings:
        field = setting.partition("=")[0].strip()
        if reason := idle.get(field.partition(".")[0]):
            raise UsageError(f"{field} has no effect in a cross-validation ({reason}): leave it out")


def _as_for_train(args: argparse.Namespace) -> argparse.Namespace:
    """The arguments, with None for each option of ``train`` that this command lacks."""
    given = vars(args) | {"split_column": None, "groups": None}
    return argparse.Namespace(**dict.fromkeys(FLAGS) | given)


def _folds(args: argparse.Namespace, features: "FeatureSet") -> tuple[list["Fold"], str]:
    """The folds, and the protocol in words."""
    from core.training.evaluation.crossval import column_folds, grouped_folds, random_folds

    clips = features.clips
    if args.protocol == "random":
        return random_folds(clips, args.seeds), (
            f"{counted(args.seeds, 'random stratified split')} 80/10/10, measured on the last tenth; copies stay "
            "together"
        )
    if args.protocol == "grouped" and args.groups is None:
        from core.dataset.near_duplicates import COLUMN, with_recordings

        folds = grouped_folds(with_recordings(features).clips, args.folds, COLUMN)
        return folds, f"{args.folds} folds, clips that sound like one recording together (artists unknown)"
    if args.protocol == "grouped":
        groups = args.groups.rpartition(":")[2]
        return grouped_folds(clips, args.folds, args.groups), f"{args.folds} folds grouped by {groups}"
    folds = column_folds(clips, args.split_column, args.part, args.seeds, args.train_part)
    return folds, (
        f"{counted(args.seeds, 'training')} on {args.train_part!r} of the column {args.split_column}, "
        f"measured on {args.part!r}"
    )


def _note_epoch(fold: "Fold", done: int, epochs: int) -> None:
    if done % 10 == 0 or done == epochs:
        print_note(f"{fold.name}: epoch {done} of {epochs}")
