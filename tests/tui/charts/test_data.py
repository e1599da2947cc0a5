"""Chart data: what a run's charts show, smoothing, and decimation."""

from math import inf, isfinite, isnan, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.runs.journal.reducer import reduce
from core.runs.journal.state import RunState
from tests.support import example_run as made_up_run
from tui.charts.data import decimate, smooth
from tui.charts.run_charts import ACCURACY, CHARTS, LOSS, run_chart
from tui.compare.charts import compared_chart


def folded(done: int = 5) -> RunState:
    return reduce(RunState.empty(), list(made_up_run.midway(done)))


def test_over_epochs_both_lines_have_a_value_an_epoch() -> None:
    state = folded()
    train, val = run_chart(LOSS, state, steps=False).lines
    assert list(train.xs) == list(val.xs) == [1, 2, 3, 4, 5]
    assert train.ys[-1] == state.history[-1].train_loss


def test_over_steps_training_is_every_report_and_validation_stands_at_its_epochs_end() -> None:
    state = folded()
    train, val = run_chart(LOSS, state, steps=True).lines
    assert len(train.xs) == len(state.series["loss"].points) > len(val.xs)
    assert list(val.xs) == [50, 100, 150, 200, 250]


def test_merged_steps_bring_their_spread() -> None:
    state = folded()
    for step in range(1000, 3000):
        state.series["loss"].add(step, step % 2)
    train, _ = run_chart(LOSS, state, steps=True).lines
    assert train.spread is not None
    assert min(train.spread[0]) == 0 and max(train.spread[1]) >= 1


def test_accuracies_are_percent_and_the_best_has_a_star() -> None:
    state = folded()
    assert state.best is not None
    data = run_chart(ACCURACY, state, steps=False)
    assert data.lines[1].ys[-1] == pytest.approx(state.history[-1].val_accuracy * 100)
    assert [(marker.x, marker.y) for marker in data.markers] == [(state.best.epoch, state.best.val_accuracy * 100)]


def test_a_comparison_has_a_letter_a_run() -> None:
    states = [folded(3), folded(6)]
    data = compared_chart(LOSS, states, train=False, steps=False)
    assert [(line.name, line.sign, len(line.xs)) for line in data.lines] == [("A", "A", 3), ("B", "B", 6)]
    accuracy = compared_chart(ACCURACY, states, train=True, steps=False)
    assert list(accuracy.lines[1].ys) == [100 * row.train_accuracy for row in states[1].history]


@pytest.mark.parametrize("steps", [False, True])
def test_every_chart_has_values_for_one_run_and_for_several(steps: bool) -> None:
    state = folded()
    for chart in CHARTS:
        for data in (
            run_chart(chart, state, steps=steps),
            compared_chart(chart, [state] * 2, train=False, steps=steps),
        ):
            for line in data.lines:
                assert len(line.xs) == len(line.ys) > 0, chart.title
                assert line.xs[-1] <= (300 if steps else 6), chart.title


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
