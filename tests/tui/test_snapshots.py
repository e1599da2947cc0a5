"""How the screens look, in the three sizes and in ASCII. After a change on purpose: ``pytest --snapshot-update``."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from unittest.mock import AsyncMock

import msgspec
import pytest
from textual.pilot import Pilot

from core.dataset.synthetic import STYLES, make_demo
from core.inference.find_model import list_models
from core.runs.folder import RunFolder
from tests.support import example_run as made_up_run
from tests.support.pilot import until_shown
from tui.app import GenreApp
from tui.dialogs.pickers import ModelPicker
from tui.shell.settings import Settings

SIZES = [(80, 24), (120, 40), (200, 60)]
ALL_SIZES = [*SIZES, (160, 45)]
Compare = Callable[..., bool]
Drive = Callable[[Pilot[None]], Awaitable[None]]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths on the screen do not depend on where the test runs."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    made_up_run.write_run(folder / "2023-11-14_22-13-20_gtzan-mini_seed-cnn", made_up_run.whole(20))
    made_up_run.write_run(folder / "no-mixup", made_up_run.whole(100))
    made_up_run.write_run(folder / "2023-11-14_22-13-20_gtzan-mini_seed-cnn-2", made_up_run.failed(3))
    made_up_run.write_run(folder / "before-the-move", made_up_run.midway(7))
    return Path("runs")


def keys(*pressed: str, shows: str) -> Drive:
    async def drive(pilot: Pilot[None]) -> None:
        await until_shown(pilot, "no-mixup")
        await pilot.press(*pressed)
        await until_shown(pilot, shows)

    return drive


@pytest.mark.parametrize("size", ALL_SIZES, ids=str)
def test_runs(snap_compare: Compare, runs: Path, size: tuple[int, int]) -> None:
    drive = keys("down", "space", "down", "down", "space", shows="val ")
    assert snap_compare(GenreApp(runs), terminal_size=size, run_before=drive)


@pytest.mark.parametrize("size", SIZES[:2], ids=str)
def test_runs_in_ascii(snap_compare: Compare, runs: Path, size: tuple[int, int]) -> None:
    drive = keys("down", "space", "down", "down", "space", shows="val ")
    assert snap_compare(GenreApp(runs, ascii=True), terminal_size=size, run_before=drive)


@pytest.mark.parametrize("theme", ["light", "colour-blind", "16-colour"])
def test_runs_in_other_colours(snap_compare: Compare, runs: Path, theme: str) -> None:
    app = GenreApp(runs, settings=Settings(theme=theme))
    assert snap_compare(app, terminal_size=SIZES[0], run_before=keys("down", shows="val "))


def test_runs_without_colour(snap_compare: Compare, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    drive = keys("down", "space", "down", "down", "space", shows="val ")
    assert snap_compare(GenreApp(runs), terminal_size=SIZES[1], run_before=drive)


def test_runs_filtered(snap_compare: Compare, runs: Path) -> None:
    drive = keys("/", *"finished", shows="runs  2 of 4")
    assert snap_compare(GenreApp(runs), terminal_size=SIZES[0], run_before=drive)


def test_runs_without_a_run(snap_compare: Compare) -> None:
    async def drive(pilot: Pilot[None]) -> None:
        await until_shown(pilot, "What to do next")

    assert snap_compare(GenreApp(Path("runs")), terminal_size=SIZES[0], run_before=drive)


def test_a_question(snap_compare: Compare, runs: Path) -> None:
    assert snap_compare(GenreApp(runs), terminal_size=SIZES[0], run_before=keys("d", shows="Delete"))


def test_help(snap_compare: Compare, runs: Path) -> None:
    assert snap_compare(GenreApp(runs), terminal_size=SIZES[1], run_before=keys("?", shows="This screen"))


@pytest.mark.parametrize("size", SIZES[:2], ids=str)
def test_the_list_of_models(snap_compare: Compare, tmp_path: Path, size: tuple[int, int]) -> None:
    """The bundled model, a tested run, one on synthetic sounds, and one that failed after an epoch."""
    sounds = list(STYLES)
    demo = msgspec.structs.replace(made_up_run.scanned(), genres=sounds, clips=dict.fromkeys(sounds, 12))
    for name, events in (
        ("gtzan-best-1", made_up_run.whole(20)),
        ("demo-quick-1", [made_up_run.run_started(20, dataset="demo"), demo, *made_up_run.whole(20)[2:]]),
        ("gtzan-best-2", made_up_run.failed(1)),
    ):
        run = RunFolder(made_up_run.write_run(tmp_path / "runs" / name, events))
        run.best_model_path.touch()
    report = '{"part": "test", "accuracy": 0.78, "interval": [0.69, 0.85]}'
    (tmp_path / "runs" / "gtzan-best-1" / "report.json").write_text(report)

    async def drive(pilot: Pilot[None]) -> None:
        await until_shown(pilot, "✗ failed")
        choices = list_models(tmp_path / "runs")
        await pilot.app.push_screen(ModelPicker(choices, choices[0].path))
        await pilot.press("end")
        await until_shown(pilot, "seed_cnn · demo · 10 genres")

    assert snap_compare(GenreApp(Path("runs")), terminal_size=size, run_before=drive)


@pytest.mark.parametrize("ascii", [False, True], ids=["unicode", "ascii"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_new_run(
    snap_compare: Compare, tmp_path: Path, size: tuple[int, int], ascii: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A completion comes from a thread, before the picture or after it.
    monkeypatch.setattr("tui.widgets.fields.CompletionSuggester.get_suggestion", AsyncMock(return_value=None))
    folder = make_demo(tmp_path, clips_per_genre=10, seconds=0.5)
    (folder / "broken").mkdir()
    (folder / "organ-hymn" / "empty.wav").touch()

    async def drive(pilot: Pilot[None]) -> None:
        await pilot.press("n")
        await until_shown(pilot, "100 clips")

    assert snap_compare(GenreApp(Path("runs"), ascii=ascii), terminal_size=size, run_before=drive)
