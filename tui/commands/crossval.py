"""``crossval DATA --protocol random|grouped|split``: how good a recipe is, by a protocol that has a name."""

import argparse
import json
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any

from core.models.names import MODELS
from core.training.presets import PRESETS
from core.training.recipe import to_dict
from tui.commands.common import narrate
from tui.commands.train import FLAGS, recipe_from
from tui.exits import DONE, UsageError

if TYPE_CHECKING:
    from core.dataset.feature_set import FeatureSet
    from core.training.crossval import Outcome, Round


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", metavar="DATA", help="a folder of genres, or a feature pack")
    parser.add_argument("--protocol", choices=("random", "grouped", "split"), required=True)
    parser.add_argument("--seeds", type=int, default=5, metavar="N", help="random and split: trainings (5)")
    parser.add_argument("--folds", type=int, default=5, metavar="N", help="grouped: folds (5)")
    parser.add_argument(
        "--groups",
        metavar="[CSV:]COLUMN",
        help="grouped: such as artist; without it, by ear: cuts of one recording stay together",
    )
    parser.add_argument("--split-column", default="split", metavar="COLUMN", help="split: the index column (split)")
    parser.add_argument("--train-part", default="train", metavar="PART", help="split: what to train on (train)")
    parser.add_argument("--part", default="valid", metavar="PART", help="split: what to measure on (valid)")
    parser.add_argument("--index", type=Path, metavar="CSV", help="more columns for the clips, found by name")
    parser.add_argument("--preset", choices=PRESETS, default="best", help="the recipe to measure (best)")
    parser.add_argument("--model", choices=MODELS)
    parser.add_argument("--epochs", type=int, metavar="N")
    parser.add_argument("--device", metavar="auto|cpu|cuda[:N]|mps")
    parser.add_argument(
        "--set", action="append", default=[], metavar="FIELD=VALUE", dest="settings", help="any field of the recipe"
    )
    parser.add_argument(
        "--against", type=Path, metavar="JSON", help="an earlier result of the same protocol: McNemar's test"
    )
    parser.add_argument("--json", action="store_true", help="one object, with every prediction")


def run(args: argparse.Namespace) -> int:
    from core.training.crossval import cross_validate, load

    if min(args.seeds, args.folds) < 1:
        raise UsageError("--seeds and --folds count from 1")
    earlier = _earlier(args.against) if args.against else None
    recipe = recipe_from(_as_for_train(args), Path(args.data).expanduser().absolute())
    features, recipe = load(args.data, recipe, index=args.index)
    rounds, protocol = _rounds(args, features)
    outcomes = []
    for outcome in cross_validate(recipe, features, rounds, _tell_epoch):
        outcomes.append(outcome)
        narrate(f"{outcome.round.name}: {outcome.evaluation.accuracy:.1%} of {len(outcome.round.measured)} clips")
    facts = _facts(outcomes, features, protocol) | {"recipe": to_dict(recipe)}
    if earlier is not None:
        facts["mcnemar"] = _compare(facts, earlier)
    print(json.dumps(facts) if args.json else _text(facts))
    return DONE


def _as_for_train(args: argparse.Namespace) -> argparse.Namespace:
    """The arguments with every option of ``train`` that this command does not have at None."""
    given = vars(args) | {"split_column": None, "groups": None}
    return argparse.Namespace(**dict.fromkeys(FLAGS) | given)


def _rounds(args: argparse.Namespace, features: "FeatureSet") -> tuple[list["Round"], str]:
    """What to train, and the protocol in words."""
    from core.training.crossval import column_rounds, grouped_rounds, random_rounds

    clips = features.clips
    if args.protocol == "random":
        return random_rounds(clips, args.seeds), (
            f"{args.seeds} random stratified splits 80/10/10, measured on the last tenth; copies stay together"
        )
    if args.protocol == "grouped" and args.groups is None:
        from core.dataset.near_duplicates import COLUMN, with_recordings

        rounds = grouped_rounds(with_recordings(features).clips, args.folds, COLUMN)
        return rounds, f"{args.folds} folds, clips that sound like one recording together (artists unknown)"
    if args.protocol == "grouped":
        groups = args.groups.rpartition(":")[2]
        return grouped_rounds(clips, args.folds, args.groups), f"{args.folds} folds grouped by {groups}"
    rounds = column_rounds(clips, args.split_column, args.part, args.seeds, args.train_part)
    return rounds, (
        f"{args.seeds} trainings on {args.train_part!r} of the column {args.split_column}, measured on {args.part!r}"
    )


def _tell_epoch(one: "Round", done: int, epochs: int) -> None:
    if done % 10 == 0 or done == epochs:
        narrate(f"{one.name}: epoch {done} of {epochs}")


def _facts(outcomes: list["Outcome"], features: "FeatureSet", protocol: str) -> dict[str, Any]:
    """Everything there is to say, as plain values."""
    from core.reports.classification import classification_report
    from core.training.calibration import calibration_error
    from core.training.significance import interval_of_mean, interval_of_share

    accuracies = [outcome.evaluation.accuracy for outcome in outcomes]
    predicted: dict[int, list[int]] = {}
    runs = []
    for outcome in outcomes:
        evaluation = outcome.evaluation
        table = classification_report(evaluation.labels.tolist(), evaluation.predictions.tolist(), features.genres)
        runs.append(
            {
                "name": outcome.round.name,
                "trained_on": len(outcome.round.train),
                "clips": len(outcome.round.measured),
                "accuracy": evaluation.accuracy,
                "macro_f1": table.macro_f1,
                "loss": evaluation.loss,
                "calibration_error": calibration_error(evaluation.probabilities(), evaluation.labels),
                "seconds": outcome.seconds,
            }
        )
        for clip, genre in zip(outcome.round.measured, evaluation.predictions.tolist(), strict=True):
            predicted.setdefault(clip, []).append(genre)
    confusion = sum(outcome.evaluation.confusion for outcome in outcomes)
    of_runs, of_clips = interval_of_mean(accuracies), interval_of_share(mean(accuracies), len(predicted))
    return {
        "protocol": protocol,
        "accuracy": mean(accuracies),
        "deviation": stdev(accuracies) if len(accuracies) > 1 else None,
        "interval": None if of_runs is None else [of_runs.low, of_runs.high],
        "interval_of_clips": [of_clips.low, of_clips.high],
        "clips": len(predicted),
        "runs": runs,
        "genres": features.genres,
        "confusion": confusion.tolist() if not isinstance(confusion, int) else [],
        "predictions": [
            {
                "name": features.clips[clip].name,
                "genre": features.clips[clip].genre,
                "predicted": [features.genres[genre] for genre in genres],
            }
            for clip, genres in sorted(predicted.items())
        ],
    }


def _earlier(path: Path) -> dict[str, Any]:
    """A result that ``--json`` has printed.

    Raises:
        UsageError: it is none.
    """
    try:
        facts: dict[str, Any] = json.loads(path.read_text())
        facts["predictions"][0]["predicted"]
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise UsageError(f"{path} is no result of crossval --json: {error}") from error
    return facts


def _compare(facts: dict[str, Any], earlier: dict[str, Any]) -> dict[str, Any]:
    """McNemar's test on each clip's first prediction, of the clips that both results have."""
    from core.training.significance import mcnemar

    def right(of: dict[str, Any]) -> dict[tuple[str, str], bool]:
        rows = of["predictions"]
        return {(row["genre"], row["name"]): row["predicted"][0] == row["genre"] for row in rows}

    ours, theirs = right(facts), right(earlier)
    both = sorted(ours.keys() & theirs.keys())
    test = mcnemar([ours[clip] for clip in both], [theirs[clip] for clip in both])
    return {"clips": len(both), "only_this": test.only_first, "only_earlier": test.only_second, "p": test.p}


def _text(facts: dict[str, Any]) -> str:
    lines = [f"protocol   {facts['protocol']}"]
    spread = f" ± {facts['deviation']:.1%}" if facts["deviation"] is not None else ""
    lines.append(f"accuracy   {facts['accuracy']:.1%}{spread} (mean and deviation of {len(facts['runs'])} trainings)")
    if facts["interval"] is not None:
        lines.append("           95 % interval of the mean {:.1%} to {:.1%}".format(*facts["interval"]))
    low, high = facts["interval_of_clips"]
    lines.append(f"           95 % interval for {facts['clips']} clips {low:.1%} to {high:.1%}")
    lines.append(f"macro F1   {mean(run['macro_f1'] for run in facts['runs']):.3f}")
    lines.append(f"time       {mean(run['seconds'] for run in facts['runs']):.0f} s a training")
    if test := facts.get("mcnemar"):
        lines.append(
            f"McNemar    p = {test['p']:.3g}: of {test['clips']} clips {test['only_this']} right only now, "
            f"{test['only_earlier']} only earlier"
        )
    return "\n".join(lines)
