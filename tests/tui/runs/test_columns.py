"""Columns: their order, their widths, and what stands in them."""

import pytest
from msgspec.structs import replace

from core.runs.summary import Scalar
from tests.support.summaries import summary
from tui.runs.columns import COLUMNS, USUAL, header, layout, line, ordered, widest_texts
from tui.runs.table import Group, grouped, heading

ROW = summary(
    "2026-11-22_12-00-00_gtzan_residual-cnn",
    model="residual_cnn",
    dataset="gtzan-mini",
    epochs=100,
    curve=[0.1, 0.5, 0.9],
)
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
    columns = layout(width, USUAL, widest_texts([BEST]))
    shown = line(BEST, columns).plain
    figures = ["100.0%", "99.8%", "100/100", "✓ finished", "best"]
    for figure in [*figures, *(["residual_cnn", "gtzan-mini"] if width > 115 else [])]:
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


def test_the_room_goes_to_what_needs_it() -> None:
    """A name is not cut while another column is wider than at least, and the whole width is used."""
    widest = widest_texts([ROW])
    for width in (130, 190):
        columns = layout(width, USUAL, widest)
        assert ROW.name in line(ROW, columns).plain
        assert line(ROW, columns).cell_length == width


def test_chosen_columns_have_the_recipe_the_baseline_and_tags() -> None:
    recipe: dict[str, Scalar] = {"optimiser.learning_rate": 3e-3, "batch_size": 32, "seed": 7, "preset": "quick"}
    row = replace(BEST, recipe=recipe, difference=-0.025, tags=["paper", "v2"], device_name="NVIDIA H100")
    shown = line(row, layout(150, ("name", "lr", "batch", "seed", "preset", "base", "tags", "gpu"))).plain
    assert shown.split() == ["best", "quick", "3e-3", "32", "7", "▼2.5", "NVIDIA", "H100", "paper", "v2"]


def test_runs_of_one_recipe_are_grouped_with_the_deviation_over_their_seeds() -> None:
    seeds = [
        replace(BEST, name=f"seed-{n}", recipe={"epochs": 9, "seed": n}, best_val_accuracy=0.7 + n / 100)
        for n in range(3)
    ]
    other = replace(BEST, name="other", recipe={"epochs": 20, "seed": 0})
    rows = grouped([seeds[0], other, seeds[1], seeds[2]])
    assert [getattr(row, "name", "") for row in rows] == ["", "seed-0", "seed-1", "seed-2", "other"]
    assert isinstance(rows[0], Group)
    assert "val 71.0 ± 1.0%" in heading(rows[0]).plain


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
