"""Columns: their order, their widths, and what stands in them."""

import pytest
from msgspec.structs import replace

from tests.support.summaries import summary
from tui.runs.columns import COLUMNS, header, layout, line, ordered

ROW = summary("2026-11-22_12-00-00_gtzan_residual-cnn", model="residual_cnn", dataset="gtzan-mini", epochs=100)
BEST = replace(ROW, name="best", best_val_accuracy=1.0, test_accuracy=0.998, started=1_700_000_000.0, seconds=100_000.0)


@pytest.mark.parametrize("width", [76, 90, 99, 115, 156, 196])
def test_a_line_fills_its_columns_and_no_more(width: int) -> None:
    columns = layout(width)
    total = sum(place.width for place in columns) + len(columns) - 1
    assert total <= width
    for row in (ROW, BEST):
        assert line(row, columns).cell_length == total
    assert header(columns, "val", True).cell_length == total


@pytest.mark.parametrize("width", [76, 115, 196])
def test_no_essential_figure_and_no_title_is_cut(width: int) -> None:
    columns = layout(width)
    shown = line(BEST, columns).plain
    for figure in (
        "100.0%",
        "99.8%",
        "100/100",
        "✓ finished",
        "residual_cnn",
        "gtzan-mini" if width > 99 else "best",
    ):
        assert figure in shown
    for place in columns:
        titles = header(columns, place.column.key, False).plain
        assert "…" not in titles
        assert f"{place.column.title}▲" in titles


def test_very_many_epochs_keep_to_their_column() -> None:
    for width in (76, 115):
        shown = line(replace(ROW, epochs_done=15_000, epochs=20_000), layout(width))
        assert "75%" in shown.plain
        assert shown.cell_length == line(ROW, layout(width)).cell_length


def test_where_names_have_no_room_only_given_ones_are_shown() -> None:
    narrow = layout(76)
    assert "gtzan-mini" in line(ROW, narrow).plain
    assert "my-run" in line(replace(ROW, name="my-run"), narrow).plain


@pytest.mark.parametrize("key", COLUMNS)
@pytest.mark.parametrize("descending", [False, True])
def test_every_column_sorts_and_what_is_missing_comes_last(key: str, descending: bool) -> None:
    rows = [
        replace(BEST, name="b", best_val_accuracy=0.5, started=2.0, state="lost"),
        replace(BEST, name="a", best_val_accuracy=0.9, started=3.0, state="running"),
        replace(BEST, name="c", best_val_accuracy=None, started=None, test_accuracy=None),
    ]
    names = [row.name for row in ordered(rows, key, descending)]
    assert sorted(names) == ["a", "b", "c"]
    if key in {"val", "started"}:
        assert names == (["a", "b", "c"] if descending else ["b", "a", "c"])
    if key == "name":
        assert names == (["c", "b", "a"] if descending else ["a", "b", "c"])


def test_equal_runs_stand_newest_first() -> None:
    rows = [replace(BEST, name=str(n), started=float(n)) for n in range(5)]
    assert [row.name for row in ordered(rows, "model", False)] == ["4", "3", "2", "1", "0"]
    assert [row.name for row in ordered(rows, "model", True)] == ["4", "3", "2", "1", "0"]
