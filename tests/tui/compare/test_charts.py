"""The scatter of recipe fields against results, the bands of seeds, and the stars among runs on one dataset."""

from typing import Any

import msgspec

from core.runs.journal import events as ev
from core.runs.journal.reducer import reduce
from core.runs.journal.state import RunState
from tests.support import example_run
from tui.charts.data import Line
from tui.compare.charts import differing_fields, of_one_recipe, scatter, with_bands
from tui.compare.screen import RESULTS, _winners


def run(number: int, dataset: str = "gtzan", **recipe: Any) -> RunState:
    events = []
    for event in example_run.whole(2 + number):
        if isinstance(event, ev.RunStarted):
            event = msgspec.structs.replace(event, recipe={**event.recipe, "epochs": 20, **recipe}, dataset=dataset)
        events.append(event)
    return reduce(RunState.empty(), events)


def test_a_column_per_value_in_order_and_a_letter_per_run() -> None:
    runs = [run(0, optimiser={"learning_rate": 3e-3}), run(1, optimiser={"learning_rate": 1e-3}), run(2)]
    assert differing_fields(runs) == ["optimiser.learning_rate"]
    data = scatter(runs, "optimiser.learning_rate", "best val")
    assert list(data.columns) == ["0.001", "0.003", "–"]
    best = [100 * state.best.val_accuracy if state.best else None for state in runs]
    assert [(line.name, list(line.xs), list(line.ys)) for line in data.lines] == [
        ("A", [2.0], [best[0]]),
        ("B", [1.0], [best[1]]),
        ("C", [3.0], [best[2]]),
    ]


def test_seeds_of_one_recipe_are_one_line_with_a_band() -> None:
    runs = [run(0, seed=0), run(1, seed=1), run(2, batch_size=99)]
    groups = of_one_recipe(runs)
    assert groups == [[0, 1], [2]]
    lines = [
        Line(name, tag, [1.0, 2.0], ys, sign=name)
        for tag, (name, ys) in enumerate([("A", [1.0, 2.0]), ("B", [3.0, 2.0]), ("C", [5.0, 5.0])], start=1)
    ]
    band, other = with_bands(lines, groups)
    assert (band.name, list(band.ys), other) == ("A±2", [2.0, 2.0], lines[2])
    assert band.spread is not None
    low, high = band.spread
    assert [round(y, 3) for y in (*low, *high)] == [0.586, 2.0, 3.414, 2.0]


def test_stars_are_given_only_within_one_dataset() -> None:
    gtzan, fma = [run(number) for number in (1, 4)], run(9, dataset="fma")
    column = next(column for column in RESULTS if column.title == "best val")
    assert _winners(column, [*gtzan, fma]) == [gtzan[1]]
