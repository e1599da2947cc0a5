"""Decisions from logits: what is certain, what is not, and why."""

import numpy as np
import pytest

from core.inference.decision import FLAT_ENTROPY, DecisionRule, Window, merge_segments, relative_entropy, softmax
from core.inference.types import Reason, Segment

GENRES = [f"genre{i}" for i in range(10)]
SURE = np.array([9.0] + [0.0] * 9)
VAGUE = np.zeros(10)


def window(logits: np.ndarray = SURE, *, level_db: float = -12.0, ood_score: float = 0.5, start: float = 0) -> Window:
    return Window(start, start + 3, logits, level_db, ood_score)


@pytest.fixture
def rule() -> DecisionRule:
    return DecisionRule(GENRES, temperature=1.5, entropy_limit=0.6)


def test_a_clear_window_is_believed(rule: DecisionRule) -> None:
    segment = rule.segments([window()])[0]
    assert (segment.genre, segment.uncertain, segment.reason) == ("genre0", False, None)
    assert segment.probabilities["genre0"] == pytest.approx(softmax(SURE / 1.5)[0], abs=1e-6)
    assert sum(segment.probabilities.values()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("kept", "reason"),
    [
        ({"level_db": -61.0}, Reason.SILENCE),
        ({"ood_score": 1.01}, Reason.UNKNOWN),
        ({"level_db": -200.0, "ood_score": 9.0}, Reason.SILENCE),
    ],
)
def test_what_is_not_music_is_flattened_however_confident_the_network_is(
    rule: DecisionRule, kept: dict[str, float], reason: Reason
) -> None:
    segment = rule.segments([window(100 * SURE, **kept)])[0]
    assert segment.uncertain
    assert segment.reason is reason
    assert relative_entropy(np.array(list(segment.probabilities.values()))) == pytest.approx(FLAT_ENTROPY, abs=1e-3)
    assert segment.genre == "genre0"


def test_flattening_keeps_the_order_and_leaves_flat_ones_alone(rule: DecisionRule) -> None:
    logits = np.linspace(0, 5, 10)
    probabilities = rule.decide(logits, Reason.UNKNOWN).probabilities
    assert (np.diff(probabilities) > 0).all()
    assert rule.decide(VAGUE, Reason.SILENCE).probabilities == pytest.approx(np.full(10, 0.1))


def test_rejected_windows_are_flattened_together_as_alone(rule: DecisionRule) -> None:
    logits = np.random.default_rng(0).normal(size=(4, 10)) * np.array([[0.01], [1], [10], [1000]])
    alone = np.array([rule.decide(row, Reason.UNKNOWN).probabilities for row in logits])
    windows = [window(logits[0]), *(window(row, ood_score=2) for row in logits), window()]
    together = [list(segment.probabilities.values()) for segment in rule.segments(windows)]
    assert np.array(together[1:-1]) == pytest.approx(alone, abs=1e-6)
    assert (relative_entropy(alone) >= FLAT_ENTROPY).all()
    assert relative_entropy(alone[2:]) == pytest.approx(np.full(2, FLAT_ENTROPY), abs=1e-6)
    assert together[0] == pytest.approx(softmax(logits[0] / 1.5), abs=1e-6)
    assert together[-1] == pytest.approx(softmax(SURE / 1.5), abs=1e-6)


def test_high_entropy_is_unclear(rule: DecisionRule) -> None:
    assert rule.segments([window(VAGUE)])[0].reason is Reason.UNCLEAR


def test_the_whole_is_decided_by_its_music(rule: DecisionRule) -> None:
    other = np.array([0.0, 9.0] + [0.0] * 8)
    prediction = rule.whole([window(other, level_db=-90), window(SURE), window(SURE)])
    assert prediction.reason is None
    assert prediction.probabilities == pytest.approx(softmax(SURE / 1.5))


def test_the_whole_is_not_music_where_most_of_it_is_not(rule: DecisionRule) -> None:
    quiet, strange = window(level_db=-90), window(ood_score=2)
    assert rule.whole([quiet, quiet, window()]).reason is Reason.SILENCE
    assert rule.whole([strange, strange, quiet, window()]).reason is Reason.UNKNOWN


def segment(start: float, genre: str, reason: Reason | None = None, length: float = 3.0) -> Segment:
    return Segment(
        start_s=start,
        end_s=start + length,
        genre=genre,
        probabilities={genre: 0.8, "other": 0.2},
        uncertain=reason is not None,
        reason=reason,
    )


def test_neighbours_of_one_verdict_make_a_stretch() -> None:
    made = merge_segments(
        [segment(0, "a"), segment(3, "a"), segment(6, "b", Reason.UNCLEAR), segment(9, "c", Reason.UNCLEAR)]
    )
    assert [(s.start_s, s.end_s, s.genre, s.reason) for s in made] == [
        (0, 6, "a", None),
        (6, 12, None, Reason.UNCLEAR),
    ]
    assert made[0].probability == pytest.approx(0.8)


def test_stretches_of_overlapping_windows_meet_in_the_middle_and_cover_everything() -> None:
    made = merge_segments([segment(0, "a"), segment(1.5, "a"), segment(3, "b"), segment(4.2, "b")])
    assert [(s.start_s, s.end_s) for s in made] == [(0, 3.75), (3.75, 7.2)]
    assert merge_segments([]) == []
