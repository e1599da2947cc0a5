from tui.charts.data import View, go_back, move_cursor, put_cursor, zoom_in

EPOCHS = list(range(1, 21))


def test_the_cursor_begins_at_the_last_value_and_vanishes_beyond_it() -> None:
    view = move_cursor(View(), EPOCHS, 60, -1)
    assert view.cursor == 20
    assert move_cursor(view, EPOCHS, 60, -3).cursor == 17
    assert move_cursor(view, EPOCHS, 60, 1).cursor is None
    assert move_cursor(View(), EPOCHS, 60, 1).cursor is None


def test_the_cursor_stops_at_the_first_value() -> None:
    assert move_cursor(View(cursor=1), EPOCHS, 60, -1).cursor == 1


def test_where_a_column_holds_many_values_the_cursor_goes_by_columns() -> None:
    many = list(range(1, 20_001))
    assert move_cursor(View(cursor=10_000), many, 100, 1).cursor == 10_200


def test_without_values_there_is_no_cursor() -> None:
    assert move_cursor(View(), [], 60, -1) == View()
    assert put_cursor(View(), [], 3.0) == View()
    assert zoom_in(View(), []) == View()


def test_shift_selects_and_a_plain_move_lets_go() -> None:
    view = move_cursor(View(cursor=10), EPOCHS, 60, -1, select=True)
    view = move_cursor(view, EPOCHS, 60, -4, select=True)
    assert view.selection == (5, 10)
    assert move_cursor(view, EPOCHS, 60, 1).selection is None


def test_zoom_goes_to_the_selection() -> None:
    view = zoom_in(View(cursor=5, anchor=10), EPOCHS)
    assert view.zoom == (5, 10)
    assert view.selection is None


def test_zoom_without_a_selection_halves_around_the_cursor_or_at_the_end() -> None:
    assert zoom_in(View(), list(range(0, 101))).zoom == (50, 100)
    assert zoom_in(View(cursor=20), list(range(0, 101))).zoom == (0, 50)
    assert zoom_in(View(cursor=50, zoom=(25, 75)), list(range(0, 101))).zoom == (37.5, 62.5)


def test_zoom_ends_at_one_epoch() -> None:
    view = View(zoom=(5, 6))
    assert zoom_in(view, EPOCHS) == view


def test_the_cursor_stays_inside_the_zoomed_range() -> None:
    assert move_cursor(View(zoom=(5, 10)), EPOCHS, 60, -1).cursor == 10
    assert move_cursor(View(zoom=(5, 10), cursor=5), EPOCHS, 60, -1).cursor == 5


def test_back_undoes_one_thing_at_a_time() -> None:
    view = View(cursor=5, anchor=7, zoom=(1, 10))
    view = go_back(view)
    assert (view.anchor, view.zoom, view.cursor) == (None, (1, 10), 5)
    view = go_back(view)
    assert (view.zoom, view.cursor) == (None, 5)
    assert go_back(view) == View()


def test_a_click_puts_the_cursor_on_the_nearest_value() -> None:
    assert put_cursor(View(), [1, 5, 9], 6.5).cursor == 5
    assert put_cursor(View(zoom=(4, 20)), [1, 5, 9], 0).cursor == 5
