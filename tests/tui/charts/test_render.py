from math import inf, nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tui.charts.data import Bounds, ChartData, Line, Marker
from tui.charts.render import CURSOR, FAINT, RenderedChart, render_chart
from tui.charts.view import View

EPOCHS = list(range(1, 21))
TRAIN = Line("train", 1, EPOCHS, [2 / epoch for epoch in EPOCHS], ascii_marker="*")
VAL = Line("val", 2, EPOCHS, [2.5 / epoch for epoch in EPOCHS], ascii_marker="o", sign="•")


def drawn(*lines: Line, view: View | None = None, ascii_only: bool = False, **more: object) -> RenderedChart:
    return render_chart(ChartData("", lines, **more), view or View(), 60, 16, ascii_only=ascii_only)  # type: ignore[arg-type]


def text(made: RenderedChart) -> str:
    return "\n".join("".join(row) for row in made.canvas.rows)


def cells(made: RenderedChart, tag: int) -> set[tuple[int, int]]:
    """(column, line) in the plot's area of the cells that a tag has."""
    left = made.canvas.left
    return {(x - left, y) for y, row in enumerate(made.canvas.tags) for x, t in enumerate(row) if t == tag}


def test_every_row_is_as_wide_as_asked_and_there_are_as_many_as_asked() -> None:
    made = drawn(TRAIN, VAL)
    assert [len(row) for row in made.canvas.rows] == [60] * 16


def test_wider_than_any_terminal_that_plotext_finds() -> None:
    made = render_chart(ChartData("", [TRAIN]), View(), 180, 40)
    assert max(column for column, _ in cells(made, 1)) == made.canvas.columns - 1


def test_epochs_are_ticked_by_whole_numbers() -> None:
    assert text(drawn(TRAIN)).splitlines()[-1].split() == ["1", "5", "10", "15", "20"]


def test_train_and_validation_differ_without_colour() -> None:
    rows = text(drawn(TRAIN, VAL))
    assert "•" in rows
    in_ascii = text(drawn(TRAIN, VAL, ascii_only=True))
    assert "*" in in_ascii and "o" in in_ascii
    assert in_ascii.isascii()


def test_a_point_is_drawn_where_the_picture_says() -> None:
    for ascii_only in (False, True):
        made = drawn(
            Line("", 1, [3, 11], [0.2, nan], ascii_marker="*"), Line("", 2, [1, 20], [0, 1]), ascii_only=ascii_only
        )
        assert (made.column(3), made.line(0.2)) in cells(made, 1)


def test_where_two_lines_share_a_cell_both_keep_their_dots() -> None:
    flat, slope = Line("", 1, EPOCHS, [0.5] * 20), Line("", 2, EPOCHS, [(epoch - 1) / 19 for epoch in EPOCHS])
    both, alone = drawn(flat, slope), drawn(slope)
    row = both.line(0.5)
    pairs = list(zip(both.canvas.rows[row], alone.canvas.rows[row], both.canvas.tags[row], strict=True))
    shared = [(ord(together), ord(single)) for together, single, tag in pairs if tag == 2]
    assert shared
    assert all(together & single == single for together, single in shared)
    assert any(together != single for together, single in shared)


def test_a_missing_value_leaves_a_gap() -> None:
    whole, broken = [1.0] * 20, [1.0] * 20
    broken[9:11] = [nan, inf]
    columns = {column for column, _ in cells(drawn(Line("", 1, EPOCHS, broken)), 1)}
    made = drawn(Line("", 1, EPOCHS, whole))
    missing = {column for column, _ in cells(made, 1)} - columns
    assert missing and all(made.column(9) < column < made.column(12) for column in missing)


def test_a_log_scale_straightens_an_exponential() -> None:
    exponential = Line("", 1, EPOCHS, [10.0**-epoch for epoch in EPOCHS])
    made = drawn(exponential, view=View(logarithmic=True))
    for epoch in EPOCHS:
        assert (made.column(epoch), made.line(-epoch)) in cells(made, 1)


def test_nothing_positive_on_a_log_scale_is_an_empty_chart() -> None:
    assert not cells(drawn(Line("", 1, [1, 2], [0.0, -1.0]), view=View(logarithmic=True)), 1)


def test_smoothing_keeps_the_raw_values_faint() -> None:
    noisy = Line("", 1, EPOCHS, [epoch % 2 for epoch in EPOCHS])
    made = drawn(noisy, view=View(smoothing=0.9))
    assert cells(made, FAINT + 1)
    lines = [line for column, line in cells(made, 1) if column > made.canvas.columns // 2]
    assert max(lines) - min(lines) < made.canvas.lines / 2


def test_the_spread_of_merged_values_is_shown_faint() -> None:
    merged = Line("", 1, [5, 15], [1.0, 1.0], spread=([0.0, 0.5], [2.0, 1.5]))
    made = drawn(merged)
    assert {(made.column(5), made.line(0.0)), (made.column(5), made.line(2.0))} <= cells(made, FAINT + 1)


def test_the_cursor_is_a_line_that_hides_no_value() -> None:
    made = drawn(TRAIN, view=View(cursor=10))
    assert {column for column, _ in cells(made, CURSOR)} == {made.column(10)}
    assert (made.column(10), made.line(0.2)) in cells(made, 1)


def test_zoom_shows_the_range_and_no_more() -> None:
    made = drawn(TRAIN, view=View(zoom=(5, 10)))
    assert (made.x.low, made.x.high) == (5, 10)
    assert text(made).splitlines()[-1].split() == ["5", "6", "7", "8", "9", "10"]


def test_a_cursor_outside_the_zoom_is_not_drawn() -> None:
    assert not cells(drawn(TRAIN, view=View(zoom=(5, 10), cursor=2)), CURSOR)


def test_bounds_hold_the_axis() -> None:
    made = drawn(Line("", 1, EPOCHS, [99.5] * 20), bounds=Bounds(0, 100))
    assert made.y.high == 100


def test_the_best_epoch_has_a_star() -> None:
    made = drawn(VAL, markers=(Marker(20, 0.125, 2),))
    row = made.canvas.rows[made.line(0.125)]
    assert row[made.canvas.left + made.column(20)] == "★"


def test_letters_tell_many_lines_apart() -> None:
    lines = [Line("", n + 1, EPOCHS, [n] * 20, "ABCDEFGH"[n], "ABCDEFGH"[n], 14) for n in range(8)]
    for ascii_only in (False, True):
        rows = text(render_chart(ChartData("", lines), View(), 100, 30, ascii_only=ascii_only))
        assert all(letter in rows for letter in "ABCDEFGH")


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=40),
    st.booleans(),
    st.sampled_from([0.0, 0.9]),
    st.booleans(),
    st.integers(16, 90),
    st.integers(5, 30),
)
def test_whatever_the_values_there_is_a_picture(
    ys: list[float], logarithmic: bool, smoothing: float, ascii_only: bool, width: int, height: int
) -> None:
    view = View(smoothing=smoothing, logarithmic=logarithmic, cursor=3, anchor=5)
    made = render_chart(
        ChartData("", [Line("", 1, range(1, len(ys) + 1), ys)]), view, width, height, ascii_only=ascii_only
    )
    assert [len(row) for row in made.canvas.rows] == [width] * height


@pytest.mark.parametrize("column", [0, 1, 30, 55])
def test_a_click_finds_the_place_that_a_point_is_drawn_at(column: int) -> None:
    made = drawn(TRAIN)
    assert made.column(made.abscissa(column)) == column
