"""Logits → decisions: temperature scaling, rejection, aggregation over windows, and merged segments."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.inference.types import MergedSegment, Reason, Segment, rounded

SILENCE_DBFS = -60.0
"""RMS level below which a window is silence: the noise floor of a quiet room or a bad tape."""
FLAT_ENTROPY = 0.9
"""Relative entropy of a rejected window; with ten genres, the largest probability is then about 32%."""
BISECTIONS = 30
"""Steps of the search for a temperature: probabilities are then exact to 1e-6."""

Logits = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Window:
    """The network's output for one window. Windows with an ``ood_score`` above 1 are out of distribution."""

    start_s: float
    end_s: float
    logits: Logits
    level_db: float
    ood_score: float
    statistics: npt.NDArray[np.float32] | None = None
    """What the network compares with the training clips that it remembers, (F,), where it was asked for."""

    @property
    def rejection(self) -> Reason | None:
        """Why the window is rejected regardless of its logits; None if it is not."""
        if self.level_db < SILENCE_DBFS:
            return Reason.SILENCE
        return Reason.UNKNOWN if self.ood_score > 1 else None


@dataclass(frozen=True, slots=True)
class Decision:
    probabilities: npt.NDArray[np.float64]
    reason: Reason | None


class DecisionRule:
    """Turns a model's logits into decisions. Stateless."""

    def __init__(self, genres: Sequence[str], temperature: float, entropy_limit: float) -> None:
        self.genres = list(genres)
        self.temperature, self.entropy_limit = temperature, entropy_limit

    def decide(self, logits: Logits, rejection: Reason | None) -> Decision:
        """Calibrated probabilities, and the reason if they are uncertain.

        For a rejected window the temperature is raised until the entropy is `FLAT_ENTROPY`, so that callers that read
        only the probabilities are not misled.
        """
        logits = logits / self.temperature
        if rejection is not None:
            return Decision(flattened(logits), rejection)
        probabilities = softmax(logits)
        unclear = relative_entropy(probabilities) >= self.entropy_limit
        return Decision(probabilities, Reason.UNCLEAR if unclear else None)

    def segments(self, windows: Sequence[Window]) -> list[Segment]:
        """The decision on each window; NumPy takes about the same time for many windows as for one."""
        if not windows:
            return []
        logits_WC = np.stack([window.logits for window in windows]) / self.temperature
        probabilities_WC = softmax(logits_WC)
        unclear_W = relative_entropy(probabilities_WC) >= self.entropy_limit
        reasons = [
            window.rejection or (Reason.UNCLEAR if unclear else None)
            for window, unclear in zip(windows, unclear_W, strict=True)
        ]
        rejected = [i for i, window in enumerate(windows) if window.rejection is not None]
        if rejected:
            probabilities_WC[rejected] = flattened(logits_WC[rejected])
        best_W = probabilities_WC.argmax(axis=1)
        # At once, as `rounded` does it for one.
        rounded_WC = probabilities_WC.round(6).tolist()
        return [
            Segment(
                start_s=round(window.start_s, 3),
                end_s=round(window.end_s, 3),
                genre=self.genres[best],
                probabilities=dict(zip(self.genres, probabilities, strict=True)),
                uncertain=reason is not None,
                reason=reason,
            )
            for window, best, probabilities, reason in zip(windows, best_W, rounded_WC, reasons, strict=True)
        ]

    def whole(self, windows: Sequence[Window]) -> Decision:
        """The decision on all windows: from the mean logits of those not rejected, if these are at least half."""
        music = [window for window in windows if window.rejection is None]
        if 2 * len(music) >= len(windows):
            return self.decide(np.mean([window.logits for window in music], axis=0), None)
        rejections = [window.rejection for window in windows if window.rejection]
        return self.decide(
            np.mean([window.logits for window in windows], axis=0), max(set(rejections), key=rejections.count)
        )

    def named(self, probabilities: npt.NDArray[np.float64]) -> dict[str, float]:
        return rounded(dict(zip(self.genres, probabilities.tolist(), strict=True)))


def merge_segments(segments: Sequence[Segment]) -> list[MergedSegment]:
    """Merge consecutive segments with the same decision. The boundary of overlapping windows is in the middle."""
    groups: list[list[Segment]] = []
    for segment in segments:
        if groups and _label(groups[-1][-1]) == _label(segment):
            groups[-1].append(segment)
        else:
            groups.append([segment])
    borders = [(before[-1].end_s + after[0].start_s) / 2 for before, after in itertools.pairwise(groups)]
    starts = [segments[0].start_s, *borders] if segments else []
    ends = [*borders, segments[-1].end_s] if segments else []
    return [
        MergedSegment(
            start_s=round(start, 3),
            end_s=round(end, 3),
            genre=None if group[0].uncertain else group[0].genre,
            probability=round(sum(max(segment.probabilities.values()) for segment in group) / len(group), 6),
            reason=group[0].reason,
        )
        for start, end, group in zip(starts, ends, groups, strict=True)
    ]


def _label(segment: Segment) -> str:
    return segment.reason or segment.genre


def softmax(logits: Logits) -> npt.NDArray[np.float64]:
    """Softmax over the last axis."""
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities: npt.NDArray[np.float64] = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return probabilities


def flattened(logits: Logits) -> npt.NDArray[np.float64]:
    """The softmax of (..., C) at the lowest temperature ≥ 1 at which its entropy is at least `FLAT_ENTROPY`."""
    # Factors of the logits; the entropy decreases from the first to the second.
    flat, sharp = np.zeros((*logits.shape[:-1], 1)), np.ones((*logits.shape[:-1], 1))
    enough = relative_entropy(softmax(logits))[..., None] >= FLAT_ENTROPY
    for _ in range(BISECTIONS):
        middle = (flat + sharp) / 2
        peaked = relative_entropy(softmax(middle * logits))[..., None] < FLAT_ENTROPY
        flat, sharp = np.where(peaked, flat, middle), np.where(peaked, middle, sharp)
    return softmax(np.where(enough, 1.0, flat) * logits)


def relative_entropy(probabilities: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Entropy of (..., C) divided by that of the uniform distribution: 0 is certain, 1 is uniform."""
    logarithms = np.log(np.where(probabilities > 0, probabilities, 1.0))
    entropy: npt.NDArray[np.float64] = -(probabilities * logarithms).sum(axis=-1) / np.log(probabilities.shape[-1])
    return entropy
