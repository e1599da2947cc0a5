from math import log10, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.charts.ticks import integer_ticks, log_ticks, short_count, value_range, value_ticks


@pytest.mark.parametrize(
    ("low", "high", "at_most", "labels"),
    [
        (1, 20, 6, ["1", "5", "10", "15", "20"]),
        (1, 4, 6, ["1", "2", "3", "4"]),
        (1, 1, 6, ["1"]),
        (3.2, 3.8, 6, ["3", "4"]),
        (1, 20_000, 5, ["1", "5k", "10k", "15k", "20k"]),
        (100, 200, 3, ["100", "150", "200"]),
    ],
)
def test_epochs_are_whole_numbers(low: float, high: float, at_most: int, labels: list[str]) -> None:
    assert [label for _, label in integer_ticks(low, high, at_most)] == labels


@given(st.integers(0, 10_000), st.integers(1, 100_000), st.integers(2, 12))
def test_integer_ticks_are_few_and_rising(low: int, span: int, at_most: int) -> None:
    places = [place for place, _ in integer_ticks(low, low + span, at_most)]
    assert 1 <= len(places) <= at_most + 1
    assert places == sorted(set(places))
    assert all(place == int(place) for place in places)


def test_value_ticks_enclose_the_values_and_agree_in_decimals() -> None:
    assert value_ticks(0.17, 2.3, 5) == [(0.0, "0"), (1.0, "1"), (2.0, "2"), (3.0, "3")]
    assert [label for _, label in value_ticks(0.951, 1.049, 4)] == ["0.95", "1.00", "1.05"]


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.integers(2, 20))
def test_value_ticks_always_enclose(low: float, span: float, at_most: int) -> None:
    ticks = value_ticks(low, low + span, at_most)
    assert ticks[0][0] <= low + 1e-6 * span
    assert ticks[-1][0] >= low + span - 1e-6 * span
    assert len(ticks) <= at_most + 2


def test_log_ticks_say_the_values_themselves() -> None:
    assert [label for _, label in log_ticks(log10(0.01), log10(10), 6)] == ["0.01", "0.1", "1", "10"]
    assert [label for _, label in log_ticks(log10(0.5), log10(2.1), 9)] == ["0.5", "0.6", "0.7", "0.8", "0.9", "1", "2"]


def test_a_log_range_without_a_round_value_has_its_ends() -> None:
    assert [label for _, label in log_ticks(log10(2.2), log10(2.3), 5)] == ["2.2", "2.3"]


def test_the_range_of_values_is_never_empty() -> None:
    assert value_range([nan]) == (0.0, 1.0)
    assert value_range([]) == (0.0, 1.0)
    low, high = value_range([2.0, nan, 2.0])
    assert low < 2.0 < high


@pytest.mark.parametrize(("count", "text"), [(999, "999"), (1234, "1234"), (2500, "2.5k"), (3_000_000, "3M")])
def test_counts_are_shortened_only_where_nothing_is_lost(count: int, text: str) -> None:
    assert short_count(count) == text
