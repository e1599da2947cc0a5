"""Predictions: plain structs without torch, and their JSON."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import msgspec


class Reason(StrEnum):
    """Why a prediction is uncertain."""

    SILENCE = "silence"
    UNKNOWN = "unlike the training music"
    UNCLEAR = "no clear genre"


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """The prediction for a window. Probabilities are calibrated and sum to 1; times are in seconds from the start."""

    start_s: float
    end_s: float
    genre: str
    probabilities: dict[str, float]
    uncertain: bool = False
    reason: Reason | None = None


class MergedSegment(msgspec.Struct, frozen=True, kw_only=True):
    """Consecutive windows with the same prediction. ``genre`` is None if they are uncertain, for ``reason``."""

    start_s: float
    end_s: float
    genre: str | None
    probability: float
    reason: Reason | None = None


class TrainingClip(msgspec.Struct, frozen=True):
    """A clip that a model was trained on."""

    genre: str
    name: str


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """The prediction for a file, or for other sound, for which ``path`` is empty.

    ``genre`` is the likeliest one even if ``uncertain`` is set; the probabilities are nearly flat then.
    """

    path: str = ""
    genre: str
    probability: float
    probabilities: dict[str, float]
    uncertain: bool = False
    reason: Reason | None = None
    duration_s: float
    segments: list[Segment] = []
    stretches: list[MergedSegment] = []
    model: str = ""
    warning: str | None = None
    """A problem of the file that did not prevent classifying it."""
    nearest: list[TrainingClip] = []
    """The training clips that sound most like it, nearest first; empty where they were not asked for."""

    def top(self, count: int) -> list[tuple[str, float]]:
        """The ``count`` likeliest genres with their probabilities, best first."""
        return likeliest(self.probabilities, count)


class Unreadable(msgspec.Struct, frozen=True, kw_only=True):
    """A file without a prediction. ``error`` says why, without naming the file."""

    path: str
    error: str


Result = Prediction | Unreadable


def as_plain(result: Result, labels: Sequence[str], top: int | None = None) -> dict[str, Any]:
    """A result as JSON for the command line and the server; ``top`` keeps only the likeliest genres."""
    plain: dict[str, Any] = msgspec.to_builtins(result)
    if isinstance(result, Unreadable):
        return plain
    if top is not None:
        for part in (plain, *plain["segments"]):
            part["probabilities"] = dict(likeliest(part["probabilities"], top))
    return {**plain, "labels": list(labels)}


def likeliest(probabilities: dict[str, float], count: int) -> list[tuple[str, float]]:
    """The ``count`` largest probabilities with their genres, best first."""
    return sorted(probabilities.items(), key=lambda item: -item[1])[:count]


def rounded(probabilities: dict[str, float]) -> dict[str, float]:
    """Round to six digits, which halves the size of the JSON."""
    return {genre: round(p, 6) for genre, p in probabilities.items()}
