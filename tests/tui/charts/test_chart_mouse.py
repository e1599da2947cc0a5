"""The mouse on the curves of Watch and Compare: dragging selects, the wheel zooms, two clicks reset."""

from pathlib import Path

import pytest
from textual.pilot import Pilot

from tests.support import example_run
from tests.support.pilot import drag, turn_wheel, until, until_shown
from tests.support.tmux import HAVE_TMUX, Tmux
from tui.app import GenreApp
from tui.charts.chart import Chart
from tui.charts.curves import WHEEL, Curves

EPOCHS = 20


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "runs"
    return [example_run.write_run(folder / f"run-{n}", example_run.variant(n, epochs=EPOCHS)) for n in range(2)]


def cell_of(chart: Chart, epoch: float, row: int = 5) -> tuple[int, int]:
    """A cell of the screen in the column of an epoch."""
    assert chart._rendered is not None
    return chart.region.x + chart._rendered.canvas.left + chart._rendered.grid.column(epoch), chart.region.y + row


async def use_the_mouse(pilot: Pilot[None], curves: Curves) -> None:
    left, right = curves.query(Chart)
    await drag(pilot, cell_of(left, 5), cell_of(left, 12))
    await until(pilot, lambda: curves.view.selection == (5, 12), "a selection")
    await until_shown(pilot, "epoch 5–12")
    await drag(pilot, cell_of(left, 12), (left.region.x, 0))  # out of the chart: to its first epoch
    await until(pilot, lambda: curves.view.selection == (1, 12), "a selection to the left end")
    await pilot.press("z")
    await until(pilot, lambda: curves.view.zoom == (1, 12), "the zoom")
    await until(pilot, lambda: right._rendered is not None and right._rendered.grid.x.high == 12, "the other chart's")
    await pilot.click(offset=cell_of(left, 6), times=2)
    await until(pilot, lambda: (curves.view.zoom, curves.view.cursor) == (None, None), "the reset")

    await turn_wheel(pilot, *cell_of(right, 10))
    await until(pilot, lambda: curves.view.zoom is not None, "the zoom of the wheel")
    low, high = curves.view.zoom or (0.0, 0.0)
    assert low < 10 < high
    assert high - low == pytest.approx((EPOCHS - 1) / WHEEL)
    for _ in range(3):
        await turn_wheel(pilot, *cell_of(right, 10), up=False)
    await until(pilot, lambda: curves.view.zoom is None, "all epochs")
    await pilot.click(offset=cell_of(right, 7))
    await until(pilot, lambda: curves.view.cursor == 7 and curves.view.selection is None, "the cursor")


async def test_on_watch(runs: list[Path]) -> None:
    async with GenreApp(runs[0].parent, watch=runs[0]).run_test(size=(120, 40)) as pilot:
        await until_shown(pilot, "test 78.0%", "train 0.1065")
        await use_the_mouse(pilot, pilot.app.screen.query_one(Curves))


async def test_on_compare(runs: list[Path]) -> None:
    app = GenreApp(runs[0].parent)
    async with app.run_test(size=(120, 40)) as pilot:
        await app.compare_runs(runs)
        await until_shown(pilot, "2 runs compared", "Validation loss", "★")
        await use_the_mouse(pilot, pilot.app.screen.query_one(Curves))


@pytest.mark.slow
@pytest.mark.skipif(not HAVE_TMUX, reason="tmux is not installed")
def test_with_the_sequences_of_a_terminal(runs: list[Path], tmp_path: Path) -> None:
    """As a terminal reports the mouse (SGR 1006): button, column and row; ``M`` pressed or moved, ``m`` released."""

    def report(*events: str) -> None:
        tmux.type("".join(f"\x1b[<{event}" for event in events))

    with Tmux(tmp_path, size=(120, 40)) as tmux:
        tmux.type(tmux.app("--runs", "runs", "attach", "run-0"))
        tmux.press("Enter")
        tmux.wait_for("test 78.0%", "train 0.1065")
        report("0;20;9M", "32;21;9M", "32;40;9M", "0;40;9m")
        tmux.wait_for(r"Loss epoch \d+–\d+", r"Accuracy epoch \d+–\d+", "═══")
        report("0;30;9M", "0;30;9m", "0;30;9M", "0;30;9m")
        tmux.wait_without("Loss epoch")
        report("64;30;9M", "64;30;9M", "64;30;9M")
        tmux.wait_without("epoch 20│")  # the last label of the axis
        report("0;30;9M", "0;30;9m", "0;30;9M", "0;30;9m")
        tmux.wait_for("epoch 20│")
