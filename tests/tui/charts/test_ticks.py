from itertools import pairwise
from math import log10, nan

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tui.charts.ticks import Bounds, integer_ticks, log_axis, log_ticks, short_count, value_axis, value_range


@pytest.mark.parametrize(
    ("low", "high", "at_most", "labels"),
    [
        (1, 20, 6, ["1", "5", "10", "15", "20"]),
        (1, 4, 6, ["1", "2", "3", "4"]),
        (1, 1, 6, ["1"]),
        (3.2, 3.8, 6, ["3", "4"]),
        (1, 20_000, 5, ["1", "5k", "10k", "15k", "20k"]),
        (100, 200, 3, ["100", "150", "200"]),
        (1, 6, 3, ["1", "5"]),
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


def test_the_axis_of_a_percentage_has_both_ends_inside() -> None:
    axis = value_axis([0.0, 40.0, 100.0], Bounds(0, 100), 17, 4)
    assert [label for _, label in axis.ticks] == ["0", "25", "50", "75", "100"]
    assert axis.low < 0 and axis.high > 100


@example(62499.96875, 0.0625, 2, 1, 0.0)
@example(-1.0, 2.0, 2, 1, -1e9)
@example(1.9999999998835847, 0.0625, 2, 1, 0.0)
@given(
    st.floats(-1e6, 1e6),
    st.floats(1e-3, 1e6),
    st.integers(2, 60),
    st.sampled_from([1, 4]),
    st.sampled_from([0.0, -1e9]),
)
def test_every_tick_is_round_and_in_the_middle_of_a_row(
    low: float, span: float, rows: int, dots: int, bound: float
) -> None:
    low = max(low, bound)
    axis = value_axis([low, low + span], Bounds(low=bound), rows, dots)
    slack = 1e-9 * (axis.high - axis.low + abs(low))
    assert axis.low <= low + slack and axis.high >= low + span - slack
    assert len(axis.ticks) >= (2 if rows > 2 else 1)
    per_dot = (axis.high - axis.low) / (rows * dots - 1)
    places = [(at - axis.low) / per_dot for at, _ in axis.ticks]
    for place in places:
        assert place % dots == pytest.approx(1 if dots == 4 else 0, abs=1e-3) or dots == 1
        assert abs(place - round(place)) < 1e-3
    steps = {round((b - a) / dots) for a, b in pairwise(places)}
    assert len(steps) <= 1
    for at, label in axis.ticks:
        assert float(label) == pytest.approx(at, rel=0.06, abs=1e-9)


def test_powers_of_ten_stand_in_the_middle_of_rows() -> None:
    axis = log_axis([log10(0.003), log10(40)], 17, 4)
    per_dot = (axis.high - axis.low) / (17 * 4 - 1)
    decades = [at for at, _ in axis.ticks if at == round(at)]
    assert set(decades) >= {-2, -1, 0, 1}
    assert all(round((at - axis.low) / per_dot, 6) % 4 == 1 for at in decades)


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
