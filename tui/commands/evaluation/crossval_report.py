"""What a cross-validation says: everything as plain values for ``--json``, and the lines for people."""

from statistics import mean, stdev
from typing import TYPE_CHECKING, Any

from core.runs.journal.log_lines import percent
from tui.commands.evaluation.baseline import content_of

if TYPE_CHECKING:
    from core.dataset.clip import Clip
    from core.dataset.store.feature_set import FeatureSet
    from core.training.evaluation.crossval import FoldResult


def facts_of(outcomes: list["FoldResult"], features: "FeatureSet", protocol: str, groups: str | None) -> dict[str, Any]:
    """Everything there is to say, as plain values."""
    from core.reports.metrics import classification_report
    from core.training.evaluation.significance import interval_of_share
    from core.training.loop.calibration import calibrate, calibration_noise

    accuracies = [outcome.evaluation.accuracy for outcome in outcomes]
    predicted: dict[int, list[int]] = {}
    runs: list[dict[str, Any]] = []
    for outcome in outcomes:
        evaluation = outcome.evaluation
        table = classification_report(evaluation.labels.tolist(), evaluation.predictions.tolist(), features.genres)
        fitted = calibrate(evaluation)
        runs.append(
            {
                "name": outcome.fold.name,
                "trained_on": len(outcome.fold.train),
                "clips": len(outcome.fold.test),
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
        for clip, genre in zip(outcome.fold.test, evaluation.predictions.tolist(), strict=True):
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
                "content": content_of(features.clips[clip]),
            }
            for clip, genres in sorted(predicted.items())
        ],
    }


def _interval(outcomes: list["FoldResult"], clips: list["Clip"], groups: str | None) -> tuple[list[float] | None, str]:
    """The accuracy's 95 % interval, None where there is none, and how it came about.

    Of folds by a column, each clip is measured once and those of a group are not independent: whole groups are
    resampled. Otherwise it is of the mean of the trainings.
    """
    from core.training.evaluation.crossval import groups_of
    from core.training.evaluation.significance import DRAWS, interval_of_groups, interval_of_mean

    if groups is None:
        interval = interval_of_mean([outcome.evaluation.accuracy for outcome in outcomes])
        by = "Student's t, of the mean of the trainings"
    else:
        number = groups_of(clips, groups)
        right = [hit for one in outcomes for hit in (one.evaluation.predictions == one.evaluation.labels).tolist()]
        of = [number[i] for one in outcomes for i in one.fold.test]
        interval = interval_of_groups(right, of)
        by = f"{len(set(of))} whole groups of {groups.rpartition(':')[2]}, resampled {DRAWS:,} times"
    return (None if interval is None else [interval.low, interval.high]), by


def text_of(facts: dict[str, Any]) -> str:
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
