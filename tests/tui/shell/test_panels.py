"""Panels are numbered in their titles, and the keys in their borders can be clicked."""

import importlib.util
from pathlib import Path

import pytest
from textual._xterm_parser import XTermParser
from textual.events import Key
from textual.pilot import Pilot

from tests.support import example_run
from tests.support.pilot import text, until, until_gone, until_shown
from tui.app import GenreApp
from tui.runs.table import ColumnPicker
from tui.shell.panels import PanelKeys


@pytest.fixture
def app(tmp_path: Path) -> GenreApp:
    example_run.write_run(tmp_path / "runs" / "first", example_run.whole(20))
    return GenreApp(tmp_path / "runs")


def place_of(pilot: Pilot[None], what: str) -> tuple[int, int]:
    """Where ``what`` stands on the screen: column and row."""
    return next((line.index(what), y) for y, line in enumerate(text(pilot).split("\n")) if what in line)


async def titles_of(pilot: Pilot[None], *numbered: str) -> None:
    for title in numbered:
        await until_shown(pilot, f"─ {title} ")


async def test_numbers_are_in_the_titles_and_focus_their_panels(app: GenreApp) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await titles_of(pilot, "¹runs", "²first")
        await pilot.press("alt+2")
        assert isinstance(app.screen, PanelKeys) and app.focused is not None
        assert app.screen.numbers[app.screen.query_one("#detail")] == "²"
        assert app.screen.query_one("#detail").has_focus_within
        await pilot.press("alt+1")
        assert app.screen.query_one("#list").has_focus_within


async def test_a_single_panel_has_no_number(app: GenreApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await titles_of(pilot, "runs")
        await pilot.resize_terminal(120, 40)
        await titles_of(pilot, "¹runs")
        await pilot.resize_terminal(80, 24)
        await titles_of(pilot, "runs")


async def test_panels_behind_tabs_have_their_number_before_the_tabs(app: GenreApp) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await until_shown(pilot, "¹runs")
        await pilot.press("enter")
        await titles_of(pilot, "¹curves", "²epochs", "⁴log")
        await until_shown(pilot, "─³ genres")
        await pilot.click(offset=place_of(pilot, "mistakes"))
        await until_shown(pilot, "─³ genres  confusion [mistakes]")


async def test_a_click_on_a_key_in_a_border_presses_it(app: GenreApp) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await until_shown(pilot, "C columns")
        await pilot.click(offset=place_of(pilot, "C columns"))
        await until(pilot, lambda: isinstance(app.screen, ColumnPicker))
        await pilot.click(offset=place_of(pilot, "esc close"))
        await until(pilot, lambda: not isinstance(app.screen, ColumnPicker))
        await pilot.click(offset=place_of(pilot, "enter watch"))
        await until_shown(pilot, "[2 Watch]")
        await until_shown(pilot, "z zoom")


async def test_a_click_on_a_key_in_the_bottom_line_acts_whoever_has_the_focus(app: GenreApp) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await until_shown(pilot, "n new run")
        assert app.focused is not None
        await pilot.click(offset=place_of(pilot, "n new run"))
        await until_shown(pilot, "Start training")
        await pilot.click(offset=place_of(pilot, "esc back"))
        await until_gone(pilot, "Start training")


def keys_from(sent: str) -> list[Key]:
    return [event for event in XTermParser().feed(sent) if isinstance(event, Key)]


async def test_keys_that_do_not_fit_into_a_border_are_left_out_whole(app: GenreApp) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await titles_of(pilot, "¹runs")
        panel = pilot.app.screen.query_one(".panel")
        for width, hints in ((60, "c compare"), (32, "C columns"), (18, "/ filter")):
            panel.styles.width = panel.styles.min_width = panel.styles.max_width = width
            await until_shown(pilot, f" {hints} ─╯")


def test_alt_and_a_digit_as_most_terminals_send_it() -> None:
    for digit in "123456789":
        assert [(key.key, key.character) for key in keys_from(f"\x1b{digit}")] == [(f"alt+{digit}", None)]
    for typed in "£¡ª":
        assert [key.character for key in keys_from(typed)] == [typed]  # as on keyboards that have them


def test_textual_still_needs_to_be_told_about_alt_and_a_digit() -> None:
    spec = importlib.util.find_spec("textual._ansi_sequences")
    assert spec is not None and spec.loader is not None
    unchanged = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(unchanged)
    assert unchanged.ANSI_SEQUENCES_KEYS["\x1b1"] == "¡", "tui.shell.panels need no longer change the table"
