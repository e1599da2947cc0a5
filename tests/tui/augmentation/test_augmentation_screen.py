"""What the augmentation does, from the key on the New run screen: behaviour with the real process, looks without."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial, wraps
from pathlib import Path

import msgspec
import pytest
from textual.pilot import Pilot

from core.dataset.synthetic import make_demo
from core.features.settings import AugmentationSettings
from core.training.presets import PRESETS
from core.training.recipe import Recipe
from tests.support.paths import ROOT
from tests.support.pilot import text, until, until_gone, until_shown
from tui.app import GenreApp
from tui.augmentation import screen as augmentation
from tui.augmentation.screen import EffectPicture
from tui.augmentation.worker import Answer, Picture, Playing, Request, Show, Shown
from tui.shell.settings import NewRunSettings, Settings

NAMES = ("original", "time mask", "frequency mask", "all")
MANY = ("original", "time stretch", "pitch shift", "equaliser", "time mask", "frequency mask", "all")


@pytest.fixture(scope="module")
def genres(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_demo(tmp_path_factory.mktemp("music") / "data", clips_per_genre=3, seconds=1.0)


def in_rows(app: GenreApp, rows: int) -> bool:
    return len({picture.region.y for picture in app.screen.query(EffectPicture)}) == rows


def app_for(genres: Path, preset: str = "best", **options: bool) -> GenreApp:
    settings = Settings(new_run=NewRunSettings(data=str(genres), preset=preset))
    return GenreApp(Path("runs"), settings=settings, **options)  # type: ignore[arg-type]


async def open_pictures(pilot: Pilot[None]) -> None:
    await pilot.press("n")
    await until_shown(pilot, "30 clips")
    await pilot.press("ctrl+l")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


async def test_a_clip_is_seen_under_each_effect_and_written(genres: Path, tmp_path: Path) -> None:
    app = app_for(genres)
    async with app.run_test(notifications=True, size=(120, 40)) as pilot:
        await open_pictures(pilot)
        await until_shown(pilot, *NAMES)  # what is shown while PyTorch loads may be gone before it is looked at
        await until_shown(pilot, "arpeggio-bells.00000 · 1 of 30 · first 1 s · best · seed 0", "▀▀▀▀")
        await until_shown(pilot, "time mask 50%, 0–15% of the time", "frequency mask 50%")
        await pilot.press("]", "r")
        await until_shown(pilot, "bass-pulse.00000 · 2 of 30", "seed 1")
        await pilot.press("w")
        await until_shown(pilot, "16 files in ~/preview/bass-pulse.00000-best-1")
        assert (tmp_path / "preview" / "bass-pulse.00000-best-1" / "time_mask.wav").is_file()
        await pilot.press("escape")
        await until_shown(pilot, "Start training")


def test_the_screen_loads_no_torch() -> None:
    code = "import sys, tui.augmentation.screen; print({'torch', 'numpy'} & set(sys.modules))"
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    assert told.stdout == "set()\n"


async def test_a_preset_without_augmentation_says_so(genres: Path) -> None:
    async with app_for(genres, "quick").run_test(notifications=True, size=(80, 24)) as pilot:
        await open_pictures(pilot)
        await until_shown(pilot, "This recipe has no augmentation. Shown is that of the preset best.", "▀▀▀▀")


async def test_the_augmentation_of_the_form_is_shown(genres: Path) -> None:
    only_noise = AugmentationSettings(noise=1.0)
    screen = augmentation.AugmentationScreen(genres, "quick", only_noise)
    async with app_for(genres).run_test(notifications=True, size=(120, 40)) as pilot:
        await pilot.app.push_screen(screen)
        await until_shown(pilot, "quick, changed", "noise", "▀▀▀▀")
        assert "pitch shift" not in text(pilot)
        assert "This recipe has no augmentation" not in text(pilot)


async def test_a_process_that_dies_is_said_and_begun_again(genres: Path) -> None:
    app = app_for(genres)
    async with app.run_test(notifications=True, size=(120, 40)) as pilot:
        await open_pictures(pilot)
        await until_shown(pilot, "1 of 30")
        screen = app.screen
        assert isinstance(screen, augmentation.AugmentationScreen)
        process = screen._process._process
        assert process is not None
        os.kill(process.pid, signal.SIGKILL)
        await until_shown(pilot, "ended unexpectedly", "exit status -9")
        await pilot.press("]")
        await until_shown(pilot, "2 of 30")
        await until_gone(pilot, "ended unexpectedly")


async def test_there_is_nothing_to_show_without_a_dataset(tmp_path: Path) -> None:
    async with app_for(tmp_path / "none").run_test(notifications=True, size=(120, 40)) as pilot:
        await pilot.press("n", "ctrl+l")
        await until_shown(pilot, "Start training", "There is no folder")
        assert "time mask" not in text(pilot)


# Looks and keys, with pictures that are the same on every machine


class MadeUp:
    """Answers at once: a slope, brighter to the right, with a hole for each effect."""

    def __init__(
        self, module: str, answers: object, on_answer: Callable[[Answer, Request | None], object], **_: object
    ) -> None:
        self._on_answer = on_answer
        self.asked: list[Request] = []

    def ask(self, request: Request) -> None:
        self.asked.append(request)
        if isinstance(request, Show):
            pictures = [Picture(name.replace(" ", "_"), 16, _slope(hole)) for hole, name in enumerate(MANY)]
            self._on_answer(Shown(request, "jazz.00007", 30, 7.5, True, pictures), request)
        elif (effect := getattr(request, "effect", None)) is not None:
            self._on_answer(Playing(effect, 60.0), request)

    def close(self) -> None: ...


def _slope(hole: int) -> bytes:
    levels = [[8 * band + 3 * column for column in range(40)] for band in range(16)]
    return bytes(0 if column // 4 == hole else level for row in levels for column, level in enumerate(row))


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures at once, of a preset that has more effects than fit side by side."""
    effects = AugmentationSettings(
        time_stretch=0.5,
        time_stretch_range=0.15,
        pitch_shift=0.5,
        equaliser=0.5,
        time_mask=0.5,
        time_mask_fraction=0.15,
        frequency_mask=0.5,
        mixup=1.0,
        mixup_alpha=0.3,
    )
    best = PRESETS["best"]

    @wraps(best)
    def rich(data: str) -> Recipe:
        return msgspec.structs.replace(best(data), augmentation=effects)

    monkeypatch.setitem(PRESETS, "best", rich)
    monkeypatch.setattr(augmentation, "JsonlProcess", MadeUp)


async def test_arrows_choose_what_is_played(genres: Path, made_up: None) -> None:
    app = app_for(genres)
    async with app.run_test(notifications=True, size=(80, 24)) as pilot:
        await open_pictures(pilot)
        await until_shown(pilot, "▸ original")
        await pilot.press("down", "right")
        await until_shown(pilot, "▸ equaliser")
        await pilot.press("p")
        await until_shown(pilot, "▸ ♪ equaliser")
        await pilot.press("p")
        await until_gone(pilot, "♪")
        await pilot.press("down", "down", "down", "right")
        await until_shown(pilot, "▸ all")


async def test_resized_down_to_almost_nothing(genres: Path, made_up: None) -> None:
    app = app_for(genres)
    async with app.run_test(notifications=True, size=(120, 40)) as pilot:
        await open_pictures(pilot)
        await until_shown(pilot, *MANY)
        await pilot.press("right", "right")
        await pilot.resize_terminal(20, 5)
        await until_shown(pilot, "▸ pitch shift")
        await pilot.press("down")
        await until_shown(pilot, "▸ equaliser")
        await pilot.resize_terminal(1, 1)
        await pilot.pause()
        await pilot.resize_terminal(200, 60)
        await until_shown(pilot, *MANY, "▀▀▀▀")
        for width, height, rows in ((120, 40, 3), (80, 24, 4), (200, 60, 2)):
            await pilot.resize_terminal(width, height)
            await until(pilot, partial(in_rows, app, rows))


@pytest.mark.parametrize("ascii", [False, True], ids=["unicode", "ascii"])
@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)], ids=str)
def test_looks(
    snap_compare: Callable[..., bool], genres: Path, made_up: None, size: tuple[int, int], ascii: bool
) -> None:
    async def drive(pilot: Pilot[None]) -> None:
        await open_pictures(pilot)
        await until_shown(pilot, "jazz.00007")

    app = app_for(genres, "quick" if ascii else "best", ascii=ascii)
    assert snap_compare(app, terminal_size=size, run_before=drive)
