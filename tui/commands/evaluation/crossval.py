"""``crossval DATA --protocol random|grouped|split``: how good a recipe is, by a protocol that has a name."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.dataset.pack_manifest import is_pack
from core.models.catalog import MODELS
from core.runs.journal.log_lines import percent
from core.training.presets import PRESETS
from core.training.recipe import to_dict
from tui.commands.common import Progress, add_settings_option
from tui.commands.evaluation.baseline import check_comparable, compare, read_earlier
from tui.commands.evaluation.crossval_report import facts_of, text_of
from tui.commands.evaluation.evaluate import tell_excluded
from tui.commands.exit_codes import DONE, UsageError
from tui.commands.runs.train import FLAGS, recipe_from
from tui.shell.printing import print_json, print_lines, print_note

if TYPE_CHECKING:
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
"""Option → the protocols in which it says anything, and what holds there without it."""
IDLE = {
    "data": "DATA says it",
    "preset": "--preset says it",
    "patience": "every training goes through all of its epochs",
    "processes": "a single process trains",
    "seed": "the trainings of random and split have the seeds 0, 1, 2 and so on, those of grouped 0",
    "spectrograms": "no pictures are drawn",
    "split": "--protocol and its options divide the clips",
}
"""Fields of a recipe that change nothing here, and why."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", metavar="DATA", help="a folder of genres, or a feature pack")
    parser.add_argument("--protocol", choices=("random", "grouped", "split"), required=True)
    parser.add_argument("--seeds", type=int, metavar="N", help="random and split: trainings (5)")
    parser.add_argument("--folds", type=int, metavar="N", help="grouped: folds (5)")
    parser.add_argument(
        "--groups",
        metavar="[CSV:]COLUMN",
        help="grouped: such as artist; without it, by ear: cuts of one recording stay together",
    )
    parser.add_argument("--split-column", metavar="COLUMN", help="split: the index column (split)")
    parser.add_argument("--train-part", metavar="PART", help="split: what to train on (train)")
    parser.add_argument("--part", metavar="PART", help="split: what to measure on (valid)")
    parser.add_argument("--index", type=Path, metavar="CSV", help="more columns for the clips, found by name")
    parser.add_argument("--preset", choices=PRESETS, default="best", help="the recipe to measure (best)")
    parser.add_argument("--model", choices=MODELS)
    parser.add_argument("--epochs", type=int, metavar="N")
    parser.add_argument("--device", metavar="auto|cpu|cuda[:N]|mps")
    add_settings_option(parser, "any field of the recipe")
    parser.add_argument(
        "--against", type=Path, metavar="JSON", help="an earlier result of the same protocol: McNemar's test"
    )
    parser.add_argument("--json", action="store_true", help="one object, with every prediction")


def run(args: argparse.Namespace) -> int:
    from core.training.evaluation.crossval import cross_validate, load

    _check_options(args)
    earlier = read_earlier(args.against) if args.against else None
    recipe = recipe_from(_as_for_train(args), Path(args.data).expanduser().absolute())
    features, recipe = load(
        args.data,
        recipe,
        index=args.index,
        on_scanning=Progress("files scanned"),
        on_features=Progress("spectrograms"),
        on_excluded=tell_excluded,
    )
    rounds, protocol = _rounds(args, features)
    if earlier is not None:
        check_comparable(args.against, earlier, protocol, [features.clips[i] for one in rounds for i in one.test])
    outcomes = []
    for outcome in cross_validate(recipe, features, rounds, _tell_epoch):
        outcomes.append(outcome)
        print_note(f"{outcome.fold.name}: {percent(outcome.evaluation.accuracy)} of {len(outcome.fold.test)} clips")
    facts = facts_of(outcomes, features, protocol, args.groups) | {"recipe": to_dict(recipe)}
    if earlier is not None:
        facts["mcnemar"] = compare(facts, earlier)
    if args.json:
        print_json(facts)
    else:
        print_lines(text_of(facts))
    return DONE


def _check_options(args: argparse.Namespace) -> None:
    """Refuses what was asked for and could change nothing, then fills in what was not asked for.

    Raises:
        UsageError: an option or a field has no effect, or makes no sense.
    """
    for name, (protocols, default) in OF_PROTOCOLS.items():
        if getattr(args, name) is None:
            setattr(args, name, default)
        elif args.protocol not in protocols:
            option, of = name.replace("_", "-"), " or ".join(protocols)
            raise UsageError(f"--{option} is of --protocol {of}, and has no effect in {args.protocol}: leave it out")
    if args.protocol == "split" and args.part == args.train_part:
        raise UsageError(
            f"--part and --train-part are both {args.part!r}, and nothing is measured on what it was trained on: name "
            "two parts"
        )
    if min(args.seeds, args.folds) < 1:
        raise UsageError("--seeds and --folds count from 1")
    idle = IDLE | ({"front_end": "a feature pack brings its own"} if is_pack(Path(args.data)) else {})
    for setting in args.settings:
        field = setting.partition("=")[0].strip()
        if reason := idle.get(field.partition(".")[0]):
            raise UsageError(f"{field} has no effect in a cross-validation ({reason}): leave it out")


def _as_for_train(args: argparse.Namespace) -> argparse.Namespace:
    """The arguments with every option of ``train`` that this command does not have at None."""
    given = vars(args) | {"split_column": None, "groups": None}
    return argparse.Namespace(**dict.fromkeys(FLAGS) | given)


def _rounds(args: argparse.Namespace, features: "FeatureSet") -> tuple[list["Fold"], str]:
    """What to train, and the protocol in words."""
    from core.training.evaluation.crossval import column_folds, grouped_folds, random_folds

    clips, plural = features.clips, "" if args.seeds == 1 else "s"
    if args.protocol == "random":
        return random_folds(clips, args.seeds), (
            f"{args.seeds} random stratified split{plural} 80/10/10, measured on the last tenth; copies stay together"
        )
    if args.protocol == "grouped" and args.groups is None:
        from core.dataset.near_duplicates import COLUMN, with_recordings

        rounds = grouped_folds(with_recordings(features).clips, args.folds, COLUMN)
        return rounds, f"{args.folds} folds, clips that sound like one recording together (artists unknown)"
    if args.protocol == "grouped":
        groups = args.groups.rpartition(":")[2]
        return grouped_folds(clips, args.folds, args.groups), f"{args.folds} folds grouped by {groups}"
    rounds = column_folds(clips, args.split_column, args.part, args.seeds, args.train_part)
    return rounds, (
        f"{args.seeds} training{plural} on {args.train_part!r} of the column {args.split_column}, "
        f"measured on {args.part!r}"
    )


def _tell_epoch(one: "Fold", done: int, epochs: int) -> None:
    if done % 10 == 0 or done == epochs:
        print_note(f"{one.name}: epoch {done} of {epochs}")
