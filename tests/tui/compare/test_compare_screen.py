"""Runs beside each other."""

from pathlib import Path

import pytest
from textual.pilot import Pilot

from core.runs.journal.reducer import reduce
from core.runs.journal.state import RunState
from tests.support import example_run as made_up_run
from tests.support.event_sequences import numbered
from tests.support.pilot import text, until, until_gone, until_shown
from tui.app import GenreApp
from tui.charts.curves import Curves
from tui.compare.screen import difference_lines, result_lines
from tui.shell.themes import DARK

SIZE = (120, 40)
SMALL = (80, 24)


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    return [made_up_run.write_run(tmp_path / "runs" / f"run-{n}", made_up_run.variant(n, 10 + n)) for n in range(8)]


async def compared(pilot: Pilot[None], paths: list[Path]) -> None:
    await pilot.app.compare_runs(paths)  # type: ignore[attr-defined]
    await until_shown(pilot, f"{len(paths)} runs compared")


async def test_curves_results_and_differences_of_three_runs(runs: list[Path]) -> None:
    async with GenreApp(runs[0].parent).run_test(size=SIZE) as pilot:
        await compared(pilot, runs[:3])
        await until_shown(pilot, "Validation loss", "Validation accuracy", "A ✓ run-0", "C ✓ run-2", "★")
        await until_shown(pilot, "batch_size", "optimiser.learning_rate", "3.3e-4")
        assert "seed " not in text(pilot).split("batch_size")[1]  # what is the same is not shown


async def test_eight_runs_on_a_small_terminal(runs: list[Path]) -> None:
    async with GenreApp(runs[0].parent).run_test(size=SMALL) as pilot:
        await compared(pilot, runs)
        await until_shown(pilot, "[charts]")
        assert all(letter in text(pilot) for letter in "ABCDEFGH")
        await pilot.press("tab")
        await until_shown(pilot, "[results]", "H ✓ run-7", "macro F1")
        await pilot.press("tab")
        await until_shown(pilot, "[recipes]", "batch_size")


async def test_the_cursor_reads_every_run_that_has_come_so_far(runs: list[Path]) -> None:
    async with GenreApp(runs[0].parent).run_test(size=SIZE) as pilot:
        await compared(pilot, [runs[0], runs[5]])
        await pilot.press("left", "left")
        await until_shown(pilot, "epoch 14", "loss@14", "acc@14")
        rows = [line for line in text(pilot).splitlines() if "✓ run-" in line]
        assert "–         –" in rows[0] and "–         –" not in rows[1]
        await pilot.press("v")
        await until_shown(pilot, "Training loss")
        await pilot.press("escape")
        await until_gone(pilot, "loss@14")
        await pilot.press("escape")
        await until_gone(pilot, "runs compared")


async def test_scale_smoothing_axis_and_zoom(runs: list[Path]) -> None:
    async with GenreApp(runs[0].parent).run_test(size=SIZE) as pilot:
        await compared(pilot, runs[:2])
        await pilot.press("l", "o", "down", "down", "enter", "down", "enter", "escape", "z")
        curves = pilot.app.screen.query_one(Curves)
        await until_shown(pilot, "Validation loss log smooth 0.5")
        assert curves.steps
        assert curves.view.zoom == (300.0, 550.0)


async def test_a_live_run_grows_in_the_comparison(runs: list[Path], tmp_path: Path) -> None:
    growing = made_up_run.write_run(tmp_path / "runs" / "growing", made_up_run.midway(3))
    async with GenreApp(growing.parent).run_test(size=SIZE) as pilot:
        await compared(pilot, [runs[0], growing])
        await until_shown(pilot, "growing", "3/20")
        made_up_run.append(growing, list(made_up_run.epochs(4, 5)))
        await until_shown(pilot, "5/20")


async def test_any_size_and_back(runs: list[Path]) -> None:
    async with GenreApp(runs[0].parent).run_test(size=SIZE) as pilot:
        await compared(pilot, runs[:3])
        for size in ((20, 5), (200, 60), (1, 1), (80, 24)):
            await pilot.resize_terminal(*size)
            await pilot.press("tab", "left")
        await pilot.resize_terminal(*SIZE)
        await until_shown(pilot, "3 runs compared", "C ✓ run-2")
        await until(pilot, lambda: len(text(pilot).splitlines()) == SIZE[1])


def folded(number: int) -> RunState:
    state = reduce(RunState.empty(), numbered(made_up_run.variant(number)))
    state.name = f"run-{number}"
    return state


def test_the_best_of_a_column_has_the_star_and_what_is_equal_has_none() -> None:
    head, first, second = [
        line.plain for line in result_lines([folded(0), folded(1)], DARK.series, 116, None, train=False)
    ]
    assert "best val" in head
    assert "★" not in first
    assert second.count("★") == 1  # the best validation; the tests are equal


def test_the_results_lose_columns_before_figures() -> None:
    for width in (30, 60, 77, 116, 196):
        lines = [line.plain for line in result_lines([folded(0), folded(1)], DARK.series, width, None, train=False)]
        assert all(len(line) <= width for line in lines)
        assert "10/10" in lines[1]


def test_recipes_that_are_the_same_are_said_to_be() -> None:
    assert difference_lines([folded(0), folded(0)], DARK.series, 100)[0].plain == "The recipes are identical."
