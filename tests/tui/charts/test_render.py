from math import inf, isfinite, log10, nan

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tui.charts.data import ChartData, Line, Marker, View
from tui.charts.render import CURSOR, FAINT, RenderedChart, curve_points, fences, render_chart
from tui.charts.ticks import Bounds

EPOCHS = list(range(1, 21))
TRAIN = Line("train", 1, EPOCHS, [2 / epoch for epoch in EPOCHS], ascii_marker="*")
VAL = Line("val", 2, EPOCHS, [2.5 / epoch for epoch in EPOCHS], ascii_marker="o", dashed=True)


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


def test_epochs_are_ticked_by_whole_numbers_and_the_axis_says_what_it_counts() -> None:
    assert text(drawn(TRAIN)).splitlines()[-1].split() == ["1", "5", "10", "15", "epoch", "20"]
    made = render_chart(ChartData("", [TRAIN]), View(), 60, 16, unit="step")
    assert text(made).splitlines()[-1].split() == ["1", "5", "10", "15", "step", "20"]


def test_train_and_validation_differ_without_colour() -> None:
    rows = text(drawn(TRAIN, VAL))
    assert " ⠉" in rows or " ⠤" in rows or " ⣀" in rows or " ⠒" in rows  # gaps in the lower line
    in_ascii = text(drawn(TRAIN, VAL, ascii_only=True))
    assert "*" in in_ascii and "o" in in_ascii
    assert in_ascii.isascii()


def test_a_point_is_drawn_where_the_picture_says() -> None:
    for ascii_only in (False, True):
        made = drawn(
            Line("", 1, [3, 11], [0.2, nan], ascii_marker="*"), Line("", 2, [1, 20], [0, 1]), ascii_only=ascii_only
        )
        assert (made.grid.column(3), made.grid.line(0.2)) in cells(made, 1)


def test_where_two_lines_share_a_cell_both_keep_their_dots() -> None:
    flat, slope = Line("", 1, EPOCHS, [0.5] * 20), Line("", 2, EPOCHS, [(epoch - 1) / 19 for epoch in EPOCHS])
    both, alone = drawn(flat, slope), drawn(slope)
    row = both.grid.line(0.5)
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
    assert missing and all(made.grid.column(9) < column < made.grid.column(12) for column in missing)


def test_a_log_scale_straightens_an_exponential() -> None:
    exponential = Line("", 1, EPOCHS, [10.0**-epoch for epoch in EPOCHS])
    made = drawn(exponential, view=View(logarithmic=True))
    for epoch in EPOCHS:
        assert (made.grid.column(epoch), made.grid.line(-epoch)) in cells(made, 1)


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
    assert {(made.grid.column(5), made.grid.line(0.0)), (made.grid.column(5), made.grid.line(2.0))} <= cells(
        made, FAINT + 1
    )


@pytest.mark.parametrize("shade", ["░", ":"])
def test_a_band_is_filled_between_its_ends(shade: str) -> None:
    merged = Line("", 1, [1, 20], [1.0, 1.0], spread=([0.2, 0.8], [1.8, 1.2]))
    made = drawn(merged, ascii_only=shade == ":")
    grid, rows = made.grid, made.canvas.rows
    for x in range(2, 20):
        column = made.canvas.left + grid.column(x)
        half = 0.8 - 0.6 * (x - 1) / 19
        for value in (1 - 0.7 * half, 1 + 0.7 * half):
            assert rows[grid.line(value)][column] != " "
        if half < 0.6:
            assert rows[grid.line(1.79)][column] == rows[grid.line(0.12)][column] == " "
    assert any(shade in row for row in rows)


def test_the_cursor_is_a_line_that_hides_no_value() -> None:
    made = drawn(TRAIN, view=View(cursor=10))
    assert {column for column, _ in cells(made, CURSOR)} == {made.grid.column(10)}
    assert (made.grid.column(10), made.grid.line(0.2)) in cells(made, 1)


def test_zoom_shows_the_range_and_no_more() -> None:
    made = drawn(TRAIN, view=View(zoom=(5, 10)))
    assert (made.grid.x.low, made.grid.x.high) == (5, 10)
    assert text(made).splitlines()[-1].split() == ["5", "6", "7", "8", "9", "epoch", "10"]


def test_a_cursor_outside_the_zoom_is_not_drawn() -> None:
    assert not cells(drawn(TRAIN, view=View(zoom=(5, 10), cursor=2)), CURSOR)


def test_bounds_hold_the_axis() -> None:
    made = drawn(Line("", 1, EPOCHS, [99.5] * 20), bounds=Bounds(0, 100))
    assert made.grid.y.ticks[-1] == (100.0, "100.0")
    assert made.canvas.rows[0][: made.canvas.left] == list("100.0┤")


def test_the_best_epoch_has_a_star() -> None:
    made = drawn(VAL, markers=(Marker(20, 0.125, 2),))
    row = made.canvas.rows[made.grid.line(0.125)]
    assert row[made.canvas.left + made.grid.column(20)] == "★"


def test_letters_tell_many_lines_apart() -> None:
    lines = [Line("", n + 1, EPOCHS, [n] * 20, "ABCDEFGH"[n], sign="ABCDEFGH"[n]) for n in range(8)]
    for ascii_only in (False, True):
        rows = text(render_chart(ChartData("", lines), View(), 100, 30, ascii_only=ascii_only))
        assert all(letter in rows for letter in "ABCDEFGH")


def test_a_single_epoch_is_a_single_point() -> None:
    made = drawn(Line("", 1, [1], [0.97]), Line("", 2, [1], [0.99]))
    assert {tag for row in made.canvas.tags for tag in row} == {0, 1, 2}
    assert len(cells(made, 1)) == len(cells(made, 2)) == 1
    assert text(made).splitlines()[-1].split() == ["1", "epoch"]


def test_a_dashed_line_has_gaps_and_all_of_its_points() -> None:
    whole = drawn(Line("", 1, EPOCHS, [0.5] * 20))
    dashed = drawn(Line("", 1, EPOCHS, [0.5] * 20, dashed=True))
    assert cells(dashed, 1) < cells(whole, 1)
    assert {(dashed.grid.column(x), dashed.grid.line(0.5)) for x in EPOCHS} <= cells(dashed, 1)


@pytest.mark.parametrize("ascii_only", [False, True])
def test_outliers_are_marked_at_the_edge_and_do_not_flatten_the_rest(ascii_only: bool) -> None:
    values = [13.0, *(2 / epoch**0.3 for epoch in EPOCHS[1:])]
    line = Line("", 1, EPOCHS, values)
    assert drawn(line, ascii_only=ascii_only).grid.y.high >= 13
    made = drawn(line, view=View(clip_outliers=True), ascii_only=ascii_only)
    assert made.clipped == 1
    assert made.grid.y.high < 2.5
    assert made.canvas.rows[0][made.canvas.left] == ("^" if ascii_only else "▲")


def dots(made: RenderedChart, tag: int) -> set[tuple[int, int]]:
    """(across, up) of the braille dots in the cells of a tag."""
    bits = ((0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08))
    found = set()
    for column, line in cells(made, tag):
        code = ord(made.canvas.rows[line][made.canvas.left + column])
        for across in range(2):
            for up in range(4):
                if code >= 0x2800 and code & bits[across][up]:
                    found.add((2 * column + across, 4 * (made.canvas.lines - 1 - line) + up))
    return found


@settings(max_examples=80, deadline=None)
@example([531.0, 1000.0], False, True, False, 24, 5)
@given(
    st.lists(st.floats(-1e3, 1e3).filter(lambda value: abs(value) > 1e-3 or value == 0), min_size=1, max_size=30),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.integers(24, 90),
    st.integers(5, 30),
)
def test_every_point_is_drawn_within_half_a_dot_of_its_value(
    ys: list[float], dashed: bool, logarithmic: bool, clip: bool, width: int, height: int
) -> None:
    xs = list(range(1, len(ys) + 1))
    if logarithmic:
        ys = [abs(y) or 1.0 for y in ys]
    lines = [Line("", 1, xs, ys, dashed=dashed)]
    made = render_chart(
        ChartData("", lines), View(logarithmic=logarithmic, clip_outliers=clip), max(width, 2 * len(ys) + 12), height
    )
    grid, present = made.grid, dots(made, 1)
    per_x = (grid.x.high - grid.x.low) / (2 * grid.columns - 1)
    per_y = (grid.y.high - grid.y.low) / (4 * grid.lines - 1)
    missing = 0
    for x, value in zip(xs, ys, strict=True):
        y = log10(value) if logarithmic else value
        missing += not any(
            abs(grid.x.low + across * per_x - x) <= per_x * 0.5001
            and abs(grid.y.low + up * per_y - y) <= per_y * 0.5001
            for across, up in present
        )
    marked = sum(made.canvas.rows[line][column + made.canvas.left] in "▲▼" for column, line in cells(made, 1))
    assert missing <= made.clipped + (marked if made.clipped else 0)
    if not made.clipped:
        assert missing == 0
    for at, label in grid.y.ticks:  # the label stands in the row in which its value is drawn
        assert "".join(made.canvas.rows[grid.line(at)]).split("┤")[0].strip() == label


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
    assert made.grid.column(made.grid.abscissa(column)) == column


def drawn_near(made: RenderedChart, x: float, y: float, present: set[tuple[int, int]]) -> bool:
    """Whether a dot stands within half a dot of a value, or a mark covers its cell."""
    grid = made.grid
    per_x = (grid.x.high - grid.x.low) / (2 * grid.columns - 1)
    per_y = (grid.y.high - grid.y.low) / (4 * grid.lines - 1)
    column, line = grid.column(x), grid.line(y)
    if made.canvas.rows[line][made.canvas.left + column] in "▲▼":
        return True
    return any(
        abs(grid.x.low + across * per_x - x) <= per_x * 0.5001 and abs(grid.y.low + up * per_y - y) <= per_y * 0.5001
        for across, up in present
    )


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.floats(1e-3, 1e3) | st.floats(0.5, 2.0) | st.sampled_from([0.0, 1.0, nan, inf]), min_size=2, max_size=40
    ),
    st.tuples(st.floats(0, 1), st.floats(0, 1)),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.integers(0, 60),
    st.integers(5, 30),
)
def test_zoomed_and_clipped_points_are_drawn_within_half_a_dot_or_marked_at_the_edge(
    ys: list[float],
    part: tuple[float, float],
    dashed: bool,
    logarithmic: bool,
    clip: bool,
    more_width: int,
    height: int,
) -> None:
    xs = list(range(1, len(ys) + 1))
    low, high = sorted(1 + share * (len(ys) - 1) for share in part)
    high = max(high, low + 1)
    view = View(logarithmic=logarithmic, clip_outliers=clip, zoom=(low, high))
    data = ChartData("", [Line("", 1, xs, ys, dashed=dashed)])
    made = render_chart(data, view, 2 * len(ys) + 16 + more_width, height)
    assert (made.grid.x.low, made.grid.x.high) == (low, high)
    inside = [(x, y) for x, y in zip(xs, ys, strict=True) if low <= x <= high and isfinite(y)]
    if logarithmic:
        inside = [(x, log10(y)) for x, y in inside if y > 0]
    floor, ceiling = fences([y for _, y in inside]) if clip else (-inf, inf)
    present, rows, left = dots(made, 1), made.canvas.rows, made.canvas.left
    for x, y in inside:
        if floor <= y <= ceiling:
            assert drawn_near(made, x, y, present)
        else:
            mark, row = ("▲", 0) if y > ceiling else ("▼", made.canvas.lines - 1)
            assert rows[row][left + made.grid.column(x)] == mark
    assert made.clipped == sum(not floor <= y <= ceiling for _, y in inside)


@pytest.mark.parametrize("zoom", [None, (100.0, 19_000.5), (7_000.0, 7_003.0)])
@pytest.mark.parametrize("clip", [False, True])
def test_twenty_thousand_epochs_keep_their_extremes(zoom: tuple[float, float] | None, clip: bool) -> None:
    xs = range(1, 20_001)
    ys = [1 + (x * 7919 % 1000) / 1000 for x in xs]
    ys[7_000] = 900.0
    made = render_chart(ChartData("", [Line("", 1, xs, ys)]), View(zoom=zoom, clip_outliers=clip), 100, 20)
    assert made.clipped == (clip and zoom != (7_000.0, 7_003.0))
    if not clip:
        assert drawn_near(made, 7_001, 900.0, dots(made, 1))


@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0, 1e-9, 1e9, -3.0])
@pytest.mark.parametrize("count", [1, 2, 20_000])
@pytest.mark.parametrize("view", [View(), View(logarithmic=True), View(clip_outliers=True, smoothing=0.9)], ids=str)
def test_constants_are_a_level_line(value: float, count: int, view: View, ascii_only: bool) -> None:
    made = drawn(Line("", 1, range(1, count + 1), [value] * count), view=view, ascii_only=ascii_only)
    lines = {line for _, line in cells(made, 1)}
    assert len(lines) == (0 if view.logarithmic and value <= 0 else 1)
    assert not made.clipped
    assert all(label for _, label in made.grid.y.ticks)


@pytest.mark.parametrize("accuracy", [0.0, 1.0])
def test_an_accuracy_of_exactly_none_or_all_lies_inside_the_frame(accuracy: float) -> None:
    data = ChartData("", [Line("", 1, EPOCHS, [100 * accuracy] * 20)], Bounds(0.0, 100.0), unit="%")
    made = render_chart(data, View(), 60, 16)
    assert {line for _, line in cells(made, 1)} == {made.grid.line(100 * accuracy)}
    label = "".join(made.canvas.rows[made.grid.line(100 * accuracy)]).split("┤")[0].strip()
    assert label.endswith("%") and float(label[:-1]) == 100 * accuracy


@pytest.mark.parametrize("smoothing", [0.0, 0.5])
def test_a_zoomed_line_reaches_the_frame(smoothing: float) -> None:
    line = Line("val", 1, [1.0, 2.0, 3.0, 4.0], [0.0, 10.0, 20.0, 30.0])
    view = View(smoothing=smoothing, zoom=(1.5, 3.5))
    (xs, inside), (ends, at_ends) = curve_points(line, view, 1.5, 3.5, 40)
    assert (xs, ends) == ([2.0, 3.0], [1.5, 3.5])
    assert at_ends[0] < inside[0] < inside[1] < at_ends[1]
    if not smoothing:
        assert (inside, at_ends) == ([10.0, 20.0], [5.0, 25.0])
    made = render_chart(ChartData("", [line]), view, 60, 16)
    assert {0, made.grid.columns - 1} <= {x for x, _ in cells(made, 1)}


def test_a_line_crosses_a_range_without_values() -> None:
    line = Line("val", 1, [1.0, 5.0], [0.0, 40.0])
    assert curve_points(line, View(zoom=(2.0, 4.0)), 2.0, 4.0, 40) == (([], []), ([2.0, 4.0], [10.0, 30.0]))
    assert cells(render_chart(ChartData("", [line]), View(zoom=(2.0, 4.0)), 60, 16), 1)
