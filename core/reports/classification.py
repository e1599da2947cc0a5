"""Precision, recall and F1 of every genre, by scikit-learn."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ClassificationReport:
    table: dict[str, Any]
    """Genre, ``macro avg``, ``weighted avg`` → precision, recall, f1-score, support; ``accuracy`` → a number."""
    text: str
    """The same as a table for people."""

    @property
    def macro_f1(self) -> float:
        return float(self.table["macro avg"]["f1-score"])


def classification_report(
    truth: Sequence[int], predicted: Sequence[int], genres: Sequence[str]
) -> ClassificationReport:
    """The report on clips, both sequences holding places in ``genres``; a genre without clips has zeros.

    The macro average leaves out genres that were neither there nor predicted, which say nothing about the network.
    """
    from sklearn import metrics  # 1.6 s, and only a run that ends needs it

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
    """The same with Python's numbers in place of numpy's."""
    return {key: _plain(value) if isinstance(value, dict) else float(value) for key, value in table.items()}
