"""The history of a run: rows in, rows out, whatever its longer and rewound versions take in."""

import math
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.runs.journal.history import CAPACITY, EpochRow, History, Series


def row(epoch: int, value: float = 0.5) -> EpochRow:
    return EpochRow(epoch, value, value, value, value, 1e-3, 1.0, 0.9, 0.1, 10.0, epoch * 10, value)


@given(st.lists(st.tuples(st.integers(1, 12), st.floats(0, 1)), max_size=30), st.data())
def test_every_version_keeps_its_rows(added: list[tuple[int, float]], data: st.DataObject) -> None:
    """Longer versions are made of any earlier one, as two readers of one state might."""
    versions = [(History(), list[EpochRow]())]
    for epoch, value in added:
        history, rows = data.draw(st.sampled_from(versions))
        new = row(epoch, value)
        versions.append((history.with_row(new), [*(r for r in rows if r.epoch < epoch), new]))
    for history, rows in versions:
        assert list(history) == rows
        assert history[-2:] == rows[-2:]
        assert list(history.column("val_loss")) == [r.val_loss for r in rows]
        assert list(history.up_to(6)) == [r for r in rows if r.epoch <= 6]


def test_rows_have_whole_epochs_and_steps() -> None:
    last = History([row(1), row(2)])[-1]
    assert (repr(last.epoch), repr(last.step), last) == ("2", "20", row(2))


@pytest.mark.parametrize(("field", "value", "index"), [("epoch", -5, 0), ("epoch", 3.4, 1), ("step", 61, 2)])
def test_the_nearest_row(field: str, value: float, index: int) -> None:
    assert History([row(1), row(3), row(6)]).nearest(field, value) == index


def test_states_of_a_long_run_share_one_history_of_about_a_hundred_bytes_per_epoch() -> None:
    versions = [History()]
    for epoch in range(1, 2001):
        versions.append(versions[-1].with_row(row(epoch)))
    columns = {id(column): column for version in versions[1:] for column in version._columns}
    assert sum(map(sys.getsizeof, columns.values())) < 120 * 2000


finite = st.floats(-1e6, 1e6)


@given(st.lists(st.tuples(st.integers(1, 5), finite), max_size=3000))
def test_no_value_is_lost_however_many_there_are(jumps: list[tuple[int, float]]) -> None:
    series, step, values = Series(), 0, []
    for jump, value in jumps:
        step += jump
        series.add(step, value)
        values.append(value)
    assert len(series.points) <= CAPACITY
    assert sum(point.n for point in series.points) == len(values)
    if values:
        assert min(point.low for point in series.points) == min(values)
        assert max(point.high for point in series.points) == max(values)
        mean = sum(point.mean * point.n for point in series.points) / len(values)
        assert math.isclose(mean, sum(values) / len(values), rel_tol=1e-6, abs_tol=1e-3)
    assert all(a.last < b.first for a, b in zip(series.points, series.points[1:], strict=False))


def test_gaps_stay_gaps() -> None:
    series = Series()
    for step in range(1, 2 * CAPACITY + 1):
        series.add(step, None if 100 <= step < 200 else 1.0)
    assert not [point for point in series.points if 101 <= point.first <= 198]


def test_a_step_seen_before_rewinds() -> None:
    series = Series()
    for step in range(1, 11):
        series.add(step, 1.0)
    series.add(6, 9.0)
    assert [(point.first, point.high) for point in series.points][-2:] == [(5, 1.0), (6, 9.0)]
