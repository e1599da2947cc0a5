"""Metrics of a model on a set of clips, and the report as text."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from core.runs.journal.events import Misclassified
from core.runs.journal.log_lines import number, percent
from core.util.text import cells, counted, left_aligned


@dataclass(frozen=True)
class ClassificationReport:
    table: dict[str, Any]
    """Genre, ``macro avg``, ``weighted avg`` → precision, recall, f1-score, support; ``accuracy`` → a number."""
    text: str
    """The same as a table of plain text."""

    @property
    def macro_f1(self) -> float:
        return float(self.table["macro avg"]["f1-score"])


def classification_report(
    truth: Sequence[int], predicted: Sequence[int], genres: Sequence[str]
) -> ClassificationReport:
    """scikit-learn's report; both sequences hold indices into ``genres``.

    The macro average leaves out genres that have no clips and were never predicted.
    """
    from sklearn import metrics  # takes 1.6 s to import and is only needed at the end of a run

    present = sorted({*truth, *predicted})
    options: dict[str, Any] = {
        "labels": present,
        "target_names": [genres[i] for i in present],
        "zero_division": 0.0,
    }
    table = metrics.classification_report(truth, predicted, output_dict=True, **options)
    text = metrics.classification_report(truth, predicted, digits=3, **options)
    return ClassificationReport(_plain(table), text)


def _plain(table: dict[str, Any]) -> dict[str, Any]:
    """The table with Python numbers instead of NumPy's."""
    return {key: _plain(value) if isinstance(value, dict) else float(value) for key, value in table.items()}


class Metric(NamedTuple):
    title: str
    text: Callable[[float], str]


METRICS = {
    "accuracy": Metric("accuracy", percent),
    "loss": Metric("loss", number),
    "macro_f1": Metric("macro F1", "{:.3f}".format),
}
"""The metrics in the first line of a report, by the field of `Assessment`."""

MOST_MISTAKES = 50
"""Misclassified clips listed in the text; the JSON has all of them."""


class Assessment(msgspec.Struct, frozen=True, kw_only=True):
    """The metrics of a classification; see `core.runs.journal.events.TestFinished` for their meaning."""

    clips: int
    accuracy: float
    interval: tuple[float, float]
    """95% interval of the accuracy, assuming that clips are independent."""
    majority: float
    """The baseline: the accuracy of always predicting the most frequent genre."""
    loss: float
    macro_f1: float
    calibration_error: float
    calibration_noise: float
    """The value of a perfectly calibrated model on the same number of clips."""
    report: dict[str, Any]
    report_text: str
    confusion: list[list[int]]
    genres: list[str]
    misclassified: list[Misclassified]
    """The most confident mistakes first."""


def assess(
    paths: Sequence[str],
    truth: Sequence[int],
    predicted: Sequence[int],
    confidence: Sequence[float],
    genres: Sequence[str],
    *,
    interval: tuple[float, float],
    loss: float,
    calibration_error: float,
    calibration_noise: float,
) -> Assessment:
    """Compute metrics from the predictions for clips.

    Args:
        truth, predicted: indices into ``genres``.
        confidence: the probability of the predicted genre.
    """
    table = classification_report(truth, predicted, genres)
    confusion = [[0] * len(genres) for _ in genres]
    mistakes = []
    for path, true, said, probability in zip(paths, truth, predicted, confidence, strict=True):
        confusion[true][said] += 1
        if true != said:
            mistakes.append(
                Misclassified(path=path, genre=genres[true], predicted=genres[said], probability=probability)
            )
    return Assessment(
        clips=len(truth),
        accuracy=sum(confusion[i][i] for i in range(len(genres))) / len(truth),
        interval=interval,
        majority=max(map(sum, confusion)) / len(truth),
        loss=loss,
        macro_f1=table.macro_f1,
        calibration_error=calibration_error,
        calibration_noise=calibration_noise,
        report=table.table,
        report_text=table.text,
        confusion=confusion,
        genres=list(genres),
        misclassified=sorted(mistakes, key=lambda mistake: -mistake.probability),
    )


def as_text(assessment: Assessment, heading: str, comparison: str = "") -> str:
    """The report as plain text, below ``heading``; a ``comparison`` with another model follows the metrics."""
    low, high = assessment.interval
    figures = (
        f"{counted(assessment.clips, 'clip')}: "
        + ", ".join(f"{metric.title} {metric.text(getattr(assessment, name))}" for name, metric in METRICS.items())
        + "\n"
        f"baseline: always answering the most frequent genre has an accuracy of {percent(assessment.majority)}\n"
        f"95% interval of the accuracy {percent(low)} to {percent(high)} (as if no two clips were of one artist)\n"
        f"calibration error {percent(assessment.calibration_error)} "
        f"(a perfectly calibrated model shows {percent(assessment.calibration_noise)} on so many clips)"
    )
    parts = [
        heading,
        figures,
        *([comparison] if comparison else []),
        "",
        assessment.report_text.rstrip(),
        "",
        *confusion_lines(assessment.genres, assessment.confusion),
        "",
        *_mistakes(assessment),
    ]
    return "\n".join(parts).rstrip() + "\n"


def confusion_lines(genres: Sequence[str], confusion: Sequence[Sequence[int]]) -> list[str]:
    """Rows with the true genre's name, columns numbered as the rows are."""
    width = max(map(cells, genres))
    cell = max(3, len(str(max(map(max, confusion)))) + 1)
    lines = ["Confusion (rows: true genre, columns: predicted genre)"]
    lines.append(" " * (width + 5) + "".join(f"{i + 1:>{cell}}" for i in range(len(genres))))
    for i, (genre, row) in enumerate(zip(genres, confusion, strict=True), start=1):
        lines.append(f"{i:>3}  {left_aligned(genre, width)}" + "".join(f"{count or '.':>{cell}}" for count in row))
    return lines


def macro_f1(confusion: Sequence[Sequence[int]]) -> float:
    """The mean F1 of the genres, [true, predicted], without those that have no clips and were never predicted."""
    scores = []
    for i, row in enumerate(confusion):
        if shown := sum(row) + sum(other[i] for other in confusion):
            scores.append(2 * row[i] / shown)
    return sum(scores) / len(scores)


def _mistakes(assessment: Assessment) -> list[str]:
    mistakes = assessment.misclassified
    if not mistakes:
        return ["No clip was misclassified."]
    lines = [f"Misclassified, the most confident first ({len(mistakes):,}):"]
    lines += [
        f"  {m.path}: {m.genre} predicted as {m.predicted} ({percent(m.probability)})" for m in mistakes[:MOST_MISTAKES]
    ]
    if len(mistakes) > MOST_MISTAKES:
        lines.append(f"  ... and {len(mistakes) - MOST_MISTAKES:,} more, in report.json")
    return lines
