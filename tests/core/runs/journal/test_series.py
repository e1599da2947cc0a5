import math

from hypothesis import given
from hypothesis import strategies as st

from core.runs.journal.series import CAPACITY, Series

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
