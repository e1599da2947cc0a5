from math import inf, isnan, nan

import pytest

from tui.charts.decimation import smooth


def test_a_constant_stays_what_it_is() -> None:
    assert smooth([3.0] * 5, 0.9) == pytest.approx([3.0] * 5)


def test_no_weight_changes_nothing() -> None:
    assert smooth([1.0, 4.0, 2.0], 0.0) == [1.0, 4.0, 2.0]


def test_the_second_value_is_the_unbiased_mean_of_two() -> None:
    # 0.6 and 1 parts of what the two weigh: TensorBoard's formula.
    assert smooth([1.0, 2.0], 0.6) == pytest.approx([1.0, (0.6 * 1 + 2) / 1.6])


def test_gaps_stay_gaps_and_leave_the_average_alone() -> None:
    smoothed = smooth([1.0, nan, inf, 1.0], 0.5)
    assert [isnan(value) for value in smoothed] == [False, True, True, False]
    assert smoothed[3] == pytest.approx(1.0)


@pytest.mark.parametrize("weight", [-0.1, 1.0])
def test_a_weight_that_is_none_is_refused(weight: float) -> None:
    with pytest.raises(ValueError, match="weight"):
        smooth([1.0], weight)
