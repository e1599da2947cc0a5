"""Curves of a run: data may come at any time of the widget's life."""

from pathlib import Path

from textual.screen import Screen

from core.runs.journal.reducer import reduce
from core.runs.journal.state import RunState
from tests.support import example_run
from tests.support.pilot import until_gone, until_shown
from tui.app import GenreApp
from tui.charts.curves import RunCurves


async def test_curves_take_data_before_they_are_mounted_and_after_they_are_removed(tmp_path: Path) -> None:
    state = reduce(RunState.empty(), example_run.whole(5))
    async with GenreApp(tmp_path).run_test(size=(120, 40)) as pilot:
        curves = RunCurves()
        curves.show(state)
        await pilot.app.push_screen(Screen())
        await pilot.app.screen.mount(curves)
        await until_shown(pilot, "train 0.8643")
        await curves.remove()
        curves.show(reduce(RunState.empty(), example_run.whole(3)))
        await until_gone(pilot, "train 0.8643")
