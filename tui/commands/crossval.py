"""``crossval DATA --protocol random|grouped|split``: how good a recipe is, by a protocol that has a name."""

import argparse
import json
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any

import msgspec

from core.dataset.pack_index import is_pack
from core.errors import UserError
from core.models.names import MODELS
from core.runs.narrate import percent
from core.training.presets import PRESETS
from core.training.recipe import to_dict
from core.training.significance import Verdict, mcnemar, pairs_of
from tui.commands.common import Progress, narrate
from tui.commands.evaluate import tell_excluded
from tui.commands.train import FLAGS, recipe_from
from tui.exits import DONE, UsageError

if TYPE_CHECKING:
    from core.dataset.clip import Clip
    from core.dataset.feature_set import FeatureSet
    from core.training.crossval import Outcome, Round

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


class Earlier(msgspec.Struct, frozen=True):
    """As much of a result that ``--json`` has printed as a comparison needs."""

    protocol: str
    predictions: list[Verdict]


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
    parser.add_argument(
        "--set", action="append", default=[], metavar="FIELD=VALUE", dest="settings", help="any field of the recipe"
    )
    parser.add_argument(
        "--against", type=Path, metavar="JSON", help="an earlier result of the same protocol: McNemar's test"
    )
    parser.add_argument("--json", action="store_true", help="one object, with every prediction")


def run(args: argparse.Namespace) -> int:
    from core.training.crossval import cross_validate, load

    _check_options(args)
    earlier = _earlier(args.against) if args.against else None
    recipe = recipe_from(_as_for_train(args), Path(args.data).expanduser().absolute())
    features, recipe = load(
        args.data,
        recipe,
        index=args.index,
        on_scanning=Progress("files looked at"),
        on_features=Progress("spectrograms"),
        on_excluded=tell_excluded,
    )
    rounds, protocol = _rounds(args, features)
    if earlier is not None:
        _check_comparable(args.against, earlier, protocol, [features.clips[i] for one in rounds for i in one.measured])
    outcomes = []
    for outcome in cross_validate(recipe, features, rounds, _tell_epoch):
        outcomes.append(outcome)
        narrate(f"{outcome.round.name}: {percent(outcome.evaluation.accuracy)} of {len(outcome.round.measured)} clips")
    facts = _facts(outcomes, features, protocol, args.groups) | {"recipe": to_dict(recipe)}
    if earlier is not None:
        facts["mcnemar"] = _compare(facts, earlier)
    print(json.dumps(facts) if args.json else _text(facts))
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


def _rounds(args: argparse.Namespace, features: "FeatureSet") -> tuple[list["Round"], str]:
    """What to train, and the protocol in words."""
    from core.training.crossval import column_rounds, grouped_rounds, random_rounds

    clips, plural = features.clips, "" if args.seeds == 1 else "s"
    if args.protocol == "random":
        return random_rounds(clips, args.seeds), (
            f"{args.seeds} random stratified split{plural} 80/10/10, measured on the last tenth; copies stay together"
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
        f"{args.seeds} training{plural} on {args.train_part!r} of the column {args.split_column}, "
        f"measured on {args.part!r}"
    )


def _tell_epoch(one: "Round", done: int, epochs: int) -> None:
    if done % 10 == 0 or done == epochs:
        narrate(f"{one.name}: epoch {done} of {epochs}")


def _facts(outcomes: list["Outcome"], features: "FeatureSet", protocol: str, groups: str | None) -> dict[str, Any]:
    """Everything there is to say, as plain values."""
    from core.reports.classification import classification_report
    from core.training.calibration import calibrate, calibration_noise
    from core.training.significance import interval_of_share

    accuracies = [outcome.evaluation.accuracy for outcome in outcomes]
    predicted: dict[int, list[int]] = {}
    runs: list[dict[str, Any]] = []
    for outcome in outcomes:
        evaluation = outcome.evaluation
        table = classification_report(evaluation.labels.tolist(), evaluation.predictions.tolist(), features.genres)
        fitted = calibrate(evaluation)
        runs.append(
            {
                "name": outcome.round.name,
                "trained_on": len(outcome.round.train),
                "clips": len(outcome.round.measured),
                "accuracy": evaluation.accuracy,
                "macro_f1": table.macro_f1,
                "loss": evaluation.loss,
                "calibration_error": fitted["ece_uncalibrated"],
                "calibrated": {
                    "temperature": fitted["temperature"],
                    "loss": fitted["nll_valid"],
                    "calibration_error": fitted["ece_valid"],
                    "calibration_noise": calibration_noise(evaluation.probabilities(fitted["temperature"])),
                },
                "seconds": outcome.seconds,
            }
        )
        for clip, genre in zip(outcome.round.measured, evaluation.predictions.tolist(), strict=True):
            predicted.setdefault(clip, []).append(genre)
    confusion = sum(outcome.evaluation.confusion for outcome in outcomes)
    interval, interval_by = _interval(outcomes, features.clips, groups)
    # Of clips that are not independent, no interval is told that takes them to be.
    of_clips = interval_of_share(mean(accuracies), len(predicted)) if groups is None else None
    return {
        "protocol": protocol,
        "accuracy": mean(accuracies),
        "deviation": stdev(accuracies) if len(accuracies) > 1 else None,
        "interval": interval,
        "interval_by": interval_by,
        "interval_of_clips": None if of_clips is None else [of_clips.low, of_clips.high],
        "loss": mean(run["loss"] for run in runs),
        "calibrated": {"fitted_to": "the measured clips"}
        | {key: mean(run["calibrated"][key] for run in runs) for key in runs[0]["calibrated"]},
        "clips": len(predicted),
        "runs": runs,
        "genres": features.genres,
        "confusion": confusion.tolist() if not isinstance(confusion, int) else [],
        "predictions": [
            {
                "name": features.clips[clip].name,
                "genre": features.clips[clip].genre,
                "predicted": [features.genres[genre] for genre in genres],
                "content": _content(features.clips[clip]),
            }
            for clip, genres in sorted(predicted.items())
        ],
    }


def _interval(outcomes: list["Outcome"], clips: list["Clip"], groups: str | None) -> tuple[list[float] | None, str]:
    """The accuracy's 95 % interval, None where there is none, and how it came about.

    Of folds by a column, each clip is measured once and those of a group are not independent: whole groups are
    resampled. Otherwise it is of the mean of the trainings.
    """
    from core.training.crossval import groups_of
    from core.training.significance import DRAWS, interval_of_groups, interval_of_mean

    if groups is None:
        interval = interval_of_mean([outcome.evaluation.accuracy for outcome in outcomes])
        by = "Student's t, of the mean of the trainings"
    else:
        number = groups_of(clips, groups)
        right = [hit for one in outcomes for hit in (one.evaluation.predictions == one.evaluation.labels).tolist()]
        of = [number[i] for one in outcomes for i in one.round.measured]
        interval = interval_of_groups(right, of)
        by = f"{len(set(of))} whole groups of {groups.rpartition(':')[2]}, resampled {DRAWS:,} times"
    return (None if interval is None else [interval.low, interval.high]), by


def _content(clip: "Clip") -> str | None:
    """A pack's hash is of the spectrogram, and tells nothing of whether two packs are of the same recordings."""
    return clip.content if clip.path.is_file() else None


def _earlier(path: Path) -> Earlier:
    """A result that ``--json`` has printed.

    Raises:
        UsageError: it is none.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Earlier)
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({(error.strerror or str(error)).lower()})") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{path} is no result of crossval --json ({error}): name a file that it was saved to"
        ) from error


def _check_comparable(path: Path, earlier: Earlier, protocol: str, measured: list["Clip"]) -> None:
    """Before anything is trained: whether McNemar's test will have something to say.

    Raises:
        UserError: the earlier result is of another protocol, or of other data.
    """
    from core.training.protocol import same_protocol

    if not same_protocol(earlier.protocol, protocol):
        raise UserError(
            f"{path} is of another protocol ({earlier.protocol}; now {protocol}): name a result of the same one."
        )
    now = [Verdict(name=c.name, genre=c.genre, predicted=[c.genre], content=_content(c)) for c in measured]
    if not pairs_of(now, earlier.predictions):
        raise UserError(f"{path} is of other data, for it has none of the clips measured now: name a result of them.")


def _compare(facts: dict[str, Any], earlier: Earlier) -> dict[str, Any]:
    """McNemar's test on each clip's first prediction, of the clips that both results have."""
    pairs = pairs_of(msgspec.convert(facts["predictions"], list[Verdict]), earlier.predictions)
    test = mcnemar([ours.right for ours, _ in pairs], [theirs.right for _, theirs in pairs])
    return {
        "clips": len(pairs),
        "of_earlier": len(earlier.predictions),
        "only_this": test.only_first,
        "only_earlier": test.only_second,
        "p": test.p,
    }


def _text(facts: dict[str, Any]) -> str:
    lines = [f"protocol   {facts['protocol']}"]
    spread = f" ± {percent(facts['deviation'])}" if facts["deviation"] is not None else ""
    of = f"(mean and deviation of {len(facts['runs'])} trainings)" if spread else "(one training)"
    lines.append(f"accuracy   {percent(facts['accuracy'])}{spread} {of}")
    if facts["interval"] is not None:
        low, high = facts["interval"]
        lines.append(f"           95 % interval {percent(low)} to {percent(high)} ({facts['interval_by']})")
    if facts["interval_of_clips"] is not None:
        low, high = facts["interval_of_clips"]
        by = f"Wilson, of {facts['clips']} independent clips"
        lines.append(f"           95 % interval {percent(low)} to {percent(high)} ({by})")
    lines.append(f"macro F1   {mean(run['macro_f1'] for run in facts['runs']):.3f}")
    fitted = facts["calibrated"]
    lines.append(
        f"loss       {facts['loss']:.3f}; {fitted['loss']:.3f} with a temperature fitted to the measured clips, "
        f"calibration error {percent(fitted['calibration_error'])} (noise {percent(fitted['calibration_noise'])})"
    )
    lines.append(f"time       {mean(run['seconds'] for run in facts['runs']):.0f} s a training")
    if test := facts.get("mcnemar"):
        which = f"of {test['clips']} clips"
        if test["clips"] < max(facts["clips"], test["of_earlier"]):
            which += f" in both results (this one has {facts['clips']}, the earlier {test['of_earlier']}),"
        lines.append(
            f"McNemar    p = {test['p']:.3g}: {which} {test['only_this']} right only now, "
            f"{test['only_earlier']} only earlier"
        )
    return "\n".join(lines)
