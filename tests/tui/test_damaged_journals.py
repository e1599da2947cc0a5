"""Whatever is damaged in a journal, every screen shows the run."""

from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from textual.content import Content

from core.runs.folder import RunFolder, RunReader
from core.runs.journal.state import RunState
from core.runs.summary import summarise
from tests.support import example_run
from tests.support.journal_damage import damaged, lines_of
from tests.support.pilot import text, until, until_shown
from tui.app import GenreApp
from tui.charts.data import ChartData, View
from tui.charts.genres import genre_bars, report_lines
from tui.charts.render import render_chart
from tui.charts.run_charts import CHARTS, run_chart
from tui.compare.charts import compared_chart
from tui.compare.screen import difference_lines, result_lines
from tui.runs.columns import COLUMNS, layout, line, ordered
from tui.runs.detail import detail_lines
from tui.shell.themes import DARK
from tui.watch.lines import progress_line, setup_lines
from tui.watch.row_panes import COLUMNS as EPOCH_COLUMNS
from tui.watch.row_panes import laid_out
from tui.widgets.run_header import run_header
from tui.widgets.text import cells

NOW = 1_000.0
WIDTHS = (20, 78, 118, 198)
LINES = lines_of(example_run.whole(4))
SOUND = b"\n".join(LINES) + b"\n"


def state_of(folder: Path, journal: bytes) -> RunState:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "events.jsonl").write_bytes(journal)
    tail = RunReader(RunFolder(folder))
    tail.poll()
    return tail.state


def show_everywhere(state: RunState, sound: RunState) -> None:
    """Everything that Watch, Runs and Compare draw of a run, at every width."""
    run = summarise(state, Path("/runs/x"), NOW)
    for width in WIDTHS:
        made: list[Content] = [
            *run_header(state, NOW, width),
            progress_line(state, width),
            *detail_lines(state, run, [], width, rows=8),
        ]
        made += [*setup_lines(state, width), *genre_bars(state, width), *report_lines(state, width)]
        for entry in state.log:
            made += laid_out(entry, width)
        for row in state.history:
            made += [Content(column.value(row)) for column in EPOCH_COLUMNS]
        summaries = [summarise(each, Path("/r") / each.name, NOW) for each in (state, sound)]
        made += [line(summary, layout(width)) for summary in summaries]
        for cursor in (None, ("epoch", 2.0), ("step", 70.0)):
            made += result_lines([state, sound], DARK.series, width, cursor, train=True)
        made += difference_lines([state, sound], DARK.series, width)
        for each in made:
            cells(each)
    for key in COLUMNS:
        assert len(ordered(summaries, key, True)) == 2
    for data in charts_of(state, sound):
        for view in (View(), View(logarithmic=True, smoothing=0.5)):
            render_chart(data, view, 60, 12)


def charts_of(state: RunState, sound: RunState) -> Sequence[ChartData]:
    charts = []
    for steps in (False, True):
        for chart in CHARTS:
            charts.append(run_chart(chart, state, steps=steps))
            charts.append(compared_chart(chart, (state, sound), train=True, steps=steps))
    return charts


@given(journal=damaged(LINES))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_damage_leaves_a_state_that_every_screen_can_draw(tmp_path: Path, journal: bytes) -> None:
    show_everywhere(state_of(tmp_path / "damaged", journal), state_of(tmp_path / "sound", SOUND))


@pytest.mark.parametrize("size", [(60, 12), (120, 40), (200, 60)], ids=str)
async def test_the_app_shows_runs_with_damaged_journals(tmp_path: Path, size: tuple[int, int]) -> None:
    """Four at once in the list, each in Watch with all its panes, and all of them in Compare."""
    chance = Random(size[0])
    runs = tmp_path / "runs"
    for number in range(4):
        folder = example_run.write_run(runs / f"run-{number}", example_run.whole(4))
        journal = [bytearray(line) for line in LINES]
        for _ in range(3):
            _spoil(journal, chance)
        (folder / "events.jsonl").write_bytes(b"\n".join(journal) + b"\n")
    app = GenreApp(runs)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: "run-0" in text(pilot))
        for number in range(4):
            await app.watch_run(runs / f"run-{number}")
            await until(pilot, lambda: "Reading the journal" not in text(pilot))
            for _ in range(8):
                await pilot.press("tab")
            await pilot.press("o", "enter", "down", "enter", "down", "enter", "escape", "left", "z")
            await pilot.pause()
        await app.compare_runs([runs / f"run-{number}" for number in range(4)])
        await until_shown(pilot, "4 runs compared")
        await pilot.press("tab", "v", "l")
        await pilot.pause()
        assert "4 runs compared" in text(pilot)


def _spoil(journal: list[bytearray], chance: Random) -> None:
    """Replace a number of one line by another, or cut the line."""
    line = chance.choice(journal)
    digits = [at for at, byte in enumerate(line) if chr(byte).isdigit()]
    if chance.random() < 0.2 or not digits:
        del line[chance.randrange(len(line)) :]
    else:
        at = chance.choice(digits)
        line[at : at + 1] = chance.choice([b"1e308", b"-9", b"0", b"99999999999999999999", b"null", b"[]", b"7.5"])
