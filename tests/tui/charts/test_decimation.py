from math import inf, isfinite, isnan, nan

from hypothesis import given
from hypothesis import strategies as st

from tui.charts.decimation import decimate


def test_few_points_stay_as_they_are_with_gaps_for_what_is_not_finite() -> None:
    xs, ys = decimate([1, 2, 3, 4], [1.0, inf, nan, 4.0], 1, 4, 10)
    assert xs == [1, 2, 3, 4]
    assert [isnan(y) for y in ys] == [False, True, True, False]


def test_only_the_range_is_kept() -> None:
    assert decimate([1, 2, 3, 4, 5], [1, 2, 3, 4, 5], 2, 4, 10) == ([2, 3, 4], [2, 3, 4])


def test_a_spike_among_a_hundred_thousand_survives() -> None:
    ys = [0.0] * 100_000
    ys[77_777] = 9.0
    kept_x, kept_y = decimate(range(100_000), ys, 0, 99_999, 100)
    assert len(kept_x) <= 200
    assert kept_x[kept_y.index(9.0)] == 77_777


def test_extremes_come_in_the_order_of_their_abscissas() -> None:
    kept_x, kept_y = decimate(range(8), [0, 5, -5, 0, 1, -7, 7, 0], 0, 7, 2)
    assert kept_x == [1, 2, 5, 6]
    assert kept_y == [5, -5, -7, 7]


def test_the_mean_of_a_column_stands_at_its_middle() -> None:
    assert decimate(range(8), [0, 1, 2, 3, 4, 5, 6, 7], 0, 7, 2, keep="mean") == ([1.5, 5.5], [1.5, 5.5])


def test_a_column_of_nothing_finite_is_a_gap_and_others_ignore_what_is_not() -> None:
    kept_x, kept_y = decimate(range(6), [1.0, nan, nan, inf, 2.0, nan], 0, 5, 3, keep="mean")
    assert kept_x == [0, 2, 4]
    assert kept_y[0] == 1.0 and isnan(kept_y[1]) and kept_y[2] == 2.0


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), max_size=300), st.integers(1, 40))
def test_never_more_than_two_a_column_never_infinite_and_the_extremes_kept(ys: list[float], columns: int) -> None:
    xs = list(range(len(ys)))
    kept_x, kept_y = decimate(xs, ys, 0, max(1, len(ys) - 1), columns)
    assert len(kept_x) == len(kept_y) <= max(2 * columns, columns)
    assert kept_x == sorted(kept_x)
    assert not any(y in (inf, -inf) for y in kept_y)
    finite = [y for y in ys if isfinite(y)]
    if finite:
        seen = [y for y in kept_y if isfinite(y)]
        assert (min(seen), max(seen)) == (min(finite), max(finite))
