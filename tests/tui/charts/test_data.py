import pytest

from core.runs.journal.reducer import reduce
from core.runs.journal.state import RunState
from tests.support import example_run as made_up_run
from tui.charts.run_charts import ACCURACY, CHARTS, LOSS, run_chart
from tui.compare.curves import compared_chart


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
