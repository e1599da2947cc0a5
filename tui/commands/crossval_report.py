"""The result of a cross-validation, as JSON and as text, and McNemar's test of it against an earlier result."""

import re
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from core.runs.journal.log_lines import percent
from core.training.evaluation.significance import mcnemar
from core.util.errors import UserError, reason
from core.util.files import LARGE_FILE_BYTES, read_input
from tui.shell.printing import UsageError

if TYPE_CHECKING:
    from core.dataset.clip import Clip
    from core.dataset.store.feature_set import FeatureSet
    from core.training.evaluation.crossval import FoldResult


def facts_of(outcomes: list["FoldResult"], features: "FeatureSet", protocol: str, groups: str | None) -> dict[str, Any]:
    """The whole result as plain values, for ``--json``."""
    from core.reports.metrics import classification_report
    from core.training.evaluation.significance import interval_of_share
    from core.training.loop.evaluation import calibrate, calibration_noise

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
                "window_seconds": outcome.recipe.input_frames * outcome.recipe.front_end.frame_seconds,
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
                "baseline": msgspec.to_builtins(outcome.baseline),
                "seconds": outcome.seconds,
            }
        )
        for clip, genre in zip(outcome.fold.test, evaluation.predictions.tolist(), strict=True):
            predicted.setdefault(clip, []).append(genre)
    confusion = sum(outcome.evaluation.confusion for outcome in outcomes)
    interval, interval_by = _interval(outcomes, features.clips, groups)
    # The clips of a group are not independent, so no interval that assumes so is given.
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
        "baseline": {key: mean(run["baseline"][key] for run in runs) for key in runs[0]["baseline"]},
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
    """The 95% confidence interval of the accuracy, None where there is none, and how it was computed.

    With folds by a column, each clip is tested once and those of a group are not independent: whole groups are
    resampled. Otherwise the interval is that of the mean over the trainings.
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
    """The result for people."""
    lines = [f"protocol   {facts['protocol']}"]
    spread = f" ± {percent(facts['deviation'])}" if facts["deviation"] is not None else ""
    of = f"(mean and deviation of {len(facts['runs'])} trainings)" if spread else "(one training)"
    lines.append(f"accuracy   {percent(facts['accuracy'])}{spread} {of}")
    if facts["interval"] is not None:
        low, high = facts["interval"]
        lines.append(f"           95% interval {percent(low)} to {percent(high)} ({facts['interval_by']})")
    if facts["interval_of_clips"] is not None:
        low, high = facts["interval_of_clips"]
        by = f"Wilson, of {facts['clips']} independent clips"
        lines.append(f"           95% interval {percent(low)} to {percent(high)} ({by})")
    to_beat = facts["baseline"]
    lines.append(
        f"baseline   {percent(to_beat['svm'])} (support-vector machine on band statistics), "
        f"{percent(to_beat['majority'])} (most frequent genre)"
    )
    if facts["accuracy"] <= max(to_beat.values()):
        lines.append("           The model is no better than this baseline.")
    lines.append(f"macro F1   {mean(run['macro_f1'] for run in facts['runs']):.3f}")
    fitted = facts["calibrated"]
    lines.append(
        f"loss       {facts['loss']:.3f}; {fitted['loss']:.3f} with a temperature fitted to the test clips, "
        f"calibration error {percent(fitted['calibration_error'])} (noise {percent(fitted['calibration_noise'])})"
    )
    lines.append(f"time       {mean(run['seconds'] for run in facts['runs']):.0f} s per training")
    if test := facts.get("mcnemar"):
        which = f"of {test['clips']} clips"
        if test["clips"] < max(facts["clips"], test["of_earlier"]):
            which += f" in both results (this one has {facts['clips']}, the earlier {test['of_earlier']}),"
        lines.append(
            f"McNemar    p = {test['p']:.3g}: {which} {test['only_this']} correct only now, "
            f"{test['only_earlier']} only earlier"
        )
    return "\n".join(lines)


class ClipResult(msgspec.Struct, frozen=True, kw_only=True):
    """The predictions for a clip in a cross-validation, as ``crossval --json`` prints them."""

    name: str
    genre: str
    predicted: Annotated[list[str], msgspec.Meta(min_length=1)]
    """One per training that tested the clip."""
    content: str | None = None
    """Hash of its file, where it is audio: equal names alone may be of other data."""

    @property
    def right(self) -> bool:
        """Whether the first training that tested it predicted its genre."""
        return self.predicted[0] == self.genre


def _pairs_of(ours: Sequence[ClipResult], theirs: Sequence[ClipResult]) -> list[tuple[ClipResult, ClipResult]]:
    """The clips that both have, each with both results."""
    by_name = {(one.genre, one.name): one for one in theirs}
    pairs = []
    for one in ours:
        other = by_name.get((one.genre, one.name))
        if other and (one.content is None or other.content is None or one.content == other.content):
            pairs.append((one, other))
    return pairs


class EarlierResult(msgspec.Struct, frozen=True):
    """The part of a result printed by ``--json`` that a comparison needs."""

    protocol: str
    predictions: list[ClipResult]


def read_earlier(path: Path) -> EarlierResult:
    """A result that ``--json`` has printed.

    Raises:
        UsageError: the file cannot be read, or is not such a result.
    """
    try:
        return msgspec.json.decode(read_input(path, LARGE_FILE_BYTES), type=EarlierResult)
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({reason(error).lower()})") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not a result of crossval --json ({error}): name a file that holds one") from error


def check_comparable(path: Path, earlier: EarlierResult, protocol: str, measured: list["Clip"]) -> None:
    """Checks, before anything is trained, that McNemar's test will have clips to compare.

    Raises:
        UserError: the earlier result is of another protocol, or of other data.
    """
    if not same_protocol(earlier.protocol, protocol):
        raise UserError(
            f"{path} has another protocol ({earlier.protocol}; now {protocol}): name a result with the same one."
        )
    now = [ClipResult(name=c.name, genre=c.genre, predicted=[c.genre], content=content_of(c)) for c in measured]
    if not _pairs_of(now, earlier.predictions):
        raise UserError(f"{path} has none of the clips that are tested now: name a result on the same dataset.")


def same_protocol(one: str, other: str) -> bool:
    """Whether two results of cross-validation may be compared, by their protocols in words.

    The number of trainings does not matter: the first training that tests a clip is the same one. The number of folds
    does, because it decides how much there is to train on.
    """

    def without_trainings(protocol: str) -> str:
        return re.sub(r"^\d+ (random stratified split|training)s?", r"\1", protocol)

    return without_trainings(one) == without_trainings(other)


def compare(facts: dict[str, Any], earlier: EarlierResult) -> dict[str, Any]:
    """McNemar's test on the first prediction of each clip that both results have."""
    pairs = _pairs_of(msgspec.convert(facts["predictions"], list[ClipResult]), earlier.predictions)
    test = mcnemar([ours.right for ours, _ in pairs], [theirs.right for _, theirs in pairs])
    return {
        "clips": len(pairs),
        "of_earlier": len(earlier.predictions),
        "only_this": test.only_first,
        "only_earlier": test.only_second,
        "p": test.p,
    }


def content_of(clip: "Clip") -> str | None:
    """The hash of a clip's audio file; None in a pack, where a spectrogram's hash cannot identify a recording."""
    return clip.content if clip.path.is_file() else None
