"""The app as a whole: what it imports, its modes, its keys, what it says at the end."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from core.runs.directory import register
from core.runs.folder import RunFolder
from core.runs.lock import RunLock
from tests.support import example_run as made_up_run
from tests.support.paths import ROOT
from tests.support.pilot import text, until, until_gone, until_shown
from tests.support.pseudo_terminal import PseudoTerminal
from tui.app import GenreApp
from tui.launch import goodbye
from tui.shell.settings import Settings
from tui.shell.themes import PALETTES, choose_theme

SIZE = (120, 40)
FIRST_PAINT = """
import asyncio, sys
from pathlib import Path
from tui.app import GenreApp

async def main():
    app = GenreApp(Path(sys.argv[1]), watch=Path(sys.argv[1]) / "first" if sys.argv[2] == "watch" else None)
    async with app.run_test(notifications=True, size=(120, 40)) as pilot:
        while "first" not in str(app.screen._compositor.render_strips(app.size)):
            await pilot.pause(0.05)
        print(sorted({"torch", "torchaudio", "sklearn", "matplotlib", "numpy", "scipy"} & set(sys.modules)))

asyncio.run(main())
"""


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    made_up_run.write_run(tmp_path / "runs" / "first", made_up_run.whole(5))
    return tmp_path / "runs"


@pytest.mark.parametrize("mode", ["runs", "watch"])
def test_the_first_screen_needs_nothing_heavy(runs: Path, mode: str) -> None:
    command = [sys.executable, "-c", FIRST_PAINT, str(runs), mode]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    loaded = ended.stdout.strip()
    assert "torch" not in loaded
    assert "sklearn" not in loaded
    assert "matplotlib" not in loaded


async def test_one_key_a_mode(runs: Path) -> None:
    async with GenreApp(runs).run_test(notifications=True, size=SIZE) as pilot:
        await until_shown(pilot, "[1 Runs]")
        for key, title in (("2", "Watch"), ("3", "Classify"), ("4", "Listen"), ("1", "Runs")):
            await pilot.press(key)
            await until_shown(pilot, f"[{key} {title}]")


async def test_a_click_on_a_mode_shows_it(runs: Path) -> None:
    async with GenreApp(runs).run_test(notifications=True, size=SIZE) as pilot:
        await until_shown(pilot, "[1 Runs]")
        await pilot.click("ModeBar", offset=(text(pilot).splitlines()[0].index("Classify"), 0))
        await until_shown(pilot, "[3 Classify]")


async def test_help_lists_the_keys_of_the_screen(runs: Path) -> None:
    async with GenreApp(runs).run_test(notifications=True, size=(120, 90)) as pilot:
        await until_shown(pilot, "first")
        await pilot.press("?")
        await until_shown(
            pilot, "Filter as you type", "Everywhere", "The run under the cursor", "In every list", "home g   First"
        )
        await pilot.press("escape")
        await until_gone(pilot, "Everywhere")


async def test_help_is_filtered_as_one_types(runs: Path) -> None:
    async with GenreApp(runs).run_test(notifications=True, size=(120, 40)) as pilot:
        await until_shown(pilot, "first")
        await pilot.press("question_mark")
        await until_shown(pilot, "All runs, read from their journals", "/ filter")
        await pilot.press("slash", *"trash")
        await until_shown(pilot, "Move the run to the trash folder")
        await until_gone(pilot, "Filter as you type")
        await pilot.press(*"xyz")
        await until_shown(pilot, "No key matches.")
        await pilot.press("escape")
        await until_shown(pilot, "All runs, read from their journals")
        await pilot.press("escape")
        await until_gone(pilot, "All runs, read from their journals")


async def test_the_key_map_changes_keys_bars_and_help(runs: Path) -> None:
    settings = Settings(keys={"runs.new": "f8", "mode.watch": "f7"})
    app = GenreApp(runs, settings=settings)
    async with app.run_test(notifications=True, size=SIZE) as pilot:
        await until_shown(pilot, "first", "f8 new run", "f7 Watch")
        await pilot.press("n")
        await pilot.pause()
        assert len(app.screen_stack) == 1
        await pilot.press("f8")
        await until_shown(pilot, "Start training")
        await pilot.press("escape", "f7")
        await until_shown(pilot, "[f7 Watch]")


async def test_an_unknown_binding_is_one_sentence_and_the_other_keys_hold(runs: Path) -> None:
    settings = Settings(keys={"runs.fly": "f", "runs.new": "f8"})
    async with GenreApp(runs, settings=settings).run_test(notifications=True, size=SIZE) as pilot:
        await until_shown(pilot, "runs.fly", "f8 new run")


async def test_the_bottom_line_says_that_there_are_more_keys(runs: Path) -> None:
    async with GenreApp(runs).run_test(size=SIZE) as pilot:
        await until_shown(pilot, "first", "? more")


def test_bad_settings_are_one_sentence_and_the_defaults(runs: Path, tmp_path: Path) -> None:
    config = tmp_path / ".config" / "genre-tui"
    config.mkdir(parents=True)
    (config / "config.toml").write_text("colour = 'red'\n")
    with PseudoTerminal(["--runs", str(runs)], tmp_path) as terminal:
        terminal.read_until("colour")
        terminal.read_until("first")
        terminal.type("q")
        assert terminal.wait() == 0


async def test_the_command_palette_has_the_modes_and_themes(runs: Path) -> None:
    app = GenreApp(runs)
    async with app.run_test(notifications=True, size=SIZE) as pilot:
        await until_shown(pilot, "first")
        await pilot.press("ctrl+p")
        await until_shown(pilot, "Compare the marked runs", "key c")
        await pilot.press(*"classify")
        await until_gone(pilot, "Compare the marked runs")
        await until_shown(pilot, "Show Classify")
        await pilot.press("enter")
        await until(pilot, lambda: app.current_mode == "classify")
        await pilot.press("ctrl+p", *"theme")
        await until_shown(pilot, "colour-blind")


@pytest.mark.parametrize("theme", PALETTES)
async def test_every_theme_draws(runs: Path, theme: str) -> None:
    app = GenreApp(runs, settings=Settings(theme=theme))
    async with app.run_test(notifications=True, size=SIZE) as pilot:
        await until_shown(pilot, "first")
        assert app.theme == theme
        assert app.palette is PALETTES[theme]


async def test_an_unknown_theme_is_one_sentence(runs: Path) -> None:
    async with GenreApp(runs, settings=Settings(theme="mauve")).run_test(notifications=True, size=SIZE) as pilot:
        await until_shown(pilot, "Unknown theme 'mauve'")


@pytest.mark.parametrize(
    ("wanted", "environment", "colours", "theme"),
    [
        ("auto", {}, "truecolor", "dark"),
        ("auto", {"COLORFGBG": "0;15"}, "truecolor", "light"),
        ("auto", {"COLORFGBG": "15;0"}, "256", "dark"),
        ("auto", {}, "standard", "16-colour"),
        ("light", {}, "standard", "light"),
    ],
)
def test_the_theme_suits_the_terminal(wanted: str, environment: dict[str, str], colours: str, theme: str) -> None:
    assert choose_theme(wanted, environment, colours) == theme


def test_without_colour_no_colour_is_sent(runs: Path, tmp_path: Path) -> None:
    with PseudoTerminal(["--runs", str(runs)], tmp_path, environment={"NO_COLOR": "1"}) as terminal:
        terminal.read_until("first")
        terminal.type("q")
        terminal.wait()
    assert b"first" in terminal.output
    for codes in re.findall(rb"\x1b\[([0-9;]*)m", terminal.output):
        assert set(codes.split(b";")) <= {b"", b"0", b"1", b"2", b"4", b"7", b"39", b"49"}, codes


def test_leaving_names_the_runs_that_continue(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert goodbye(runs) == []
    with RunLock(runs / "first" / "run.lock"):
        assert goodbye(runs) == [f"Training continues: first (genre-tui --runs {runs} attach first)"]
        monkeypatch.setenv("GENRE_TUI_RUNS", str(runs))
        assert goodbye(runs) == ["Training continues: first (genre-tui attach first)"]


def test_leaving_names_live_runs_of_other_folders(runs: Path, tmp_path: Path) -> None:
    run = RunFolder(runs / "first")
    register(run)
    with RunLock(run.lock_path):
        assert goodbye(tmp_path / "none") == [f"Training continues: first (genre-tui attach {run.path})"]
    assert goodbye(tmp_path / "none") == []


async def test_at_20_by_5_nothing_fails(runs: Path) -> None:
    async with GenreApp(runs).run_test(notifications=True, size=(20, 5)) as pilot:
        for key in ("2", "3", "4", "1", "n", "escape", "?", "escape", "/", "x", "escape"):
            await pilot.press(key)
            await pilot.pause()
        await pilot.resize_terminal(120, 40)
        await until_shown(pilot, "first")
