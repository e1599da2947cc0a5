"""The New run screen: from a folder to a detached trainer."""

import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from threading import Event

import pytest

from core.dataset.synthetic import make_demo
from core.runs import actions
from core.runs.directory import list_runs
from core.runs.folder import RunFolder
from core.util.jsonl_process import JsonlProcess
from tests.support import example_run as made_up_run
from tests.support.pilot import text, type_text, until, until_gone, until_shown
from tui.app import GenreApp
from tui.dialogs.folder_picker import describe
from tui.new_run import screen as new_run
from tui.new_run.dataset_process import Message, Scan
from tui.new_run.fields import complete_folder
from tui.new_run.form import LABELS
from tui.shell.settings import NewRunSettings, Settings

SIZE = (120, 40)


@pytest.fixture(scope="module")
def genres(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three synthetic genres of ten short clips, with one file that is none."""
    folder = three_genres(tmp_path_factory.mktemp("music") / "data", clips=10)
    (next(folder.iterdir()) / "broken.wav").write_bytes(b"RIFF and nothing more")
    return folder


def three_genres(out: Path, *, clips: int, genres: int = 3) -> Path:
    folder = make_demo(out, clips_per_genre=clips, seconds=1.0)
    for genre in sorted(folder.iterdir())[genres:]:
        shutil.rmtree(genre)
    return folder


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[RunFolder]:
    """The runs that would have been launched."""
    runs: list[RunFolder] = []
    monkeypatch.setattr(actions, "launch", lambda run, **_: runs.append(run))
    return runs


def app_for(tmp_path: Path, data: Path | str = "") -> GenreApp:
    return GenreApp(tmp_path / "runs", settings=Settings(new_run=NewRunSettings(data=str(data))))


async def test_the_dataset_is_summed_up_before_the_start(tmp_path: Path, genres: Path) -> None:
    async with app_for(tmp_path, genres).run_test(notifications=True, size=SIZE) as pilot:
        await pilot.press("n")
        await until_shown(pilot, "30 clips · 3 genres", "train 24 · valid 3 · test 3", "1 file left out", "broken.wav")


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_everything_that_is_needed_fits(tmp_path: Path, genres: Path, size: tuple[int, int]) -> None:
    async with app_for(tmp_path, genres).run_test(notifications=True, size=size) as pilot:
        await pilot.press("n")
        await until_shown(pilot, "30 clips · 3 genres", *LABELS.values(), "Start training", "quick", "small_cnn")


async def test_start_launches_what_the_form_says_and_watches(
    tmp_path: Path, genres: Path, launched: list[RunFolder]
) -> None:
    app = app_for(tmp_path, genres)
    async with app.run_test(notifications=True, size=SIZE) as pilot:
        await pilot.press("n")
        await until_shown(pilot, "30 clips")
        await pilot.press("down", "right")  # the other preset
        await until_shown(pilot, "‹ seed")
        await pilot.press("down", "down", "ctrl+u")
        await type_text(pilot, "3")
        await pilot.press("ctrl+r")
        await until(pilot, lambda: app.current_mode == "watch")
        (run,) = list_runs(tmp_path / "runs")
        assert launched == [run]
        recipe = run.read_recipe()
        assert (recipe["preset"], recipe["model"], recipe["epochs"]) == ("seed", "seed_cnn", 3)
        assert recipe["data"] == str(genres)
        await pilot.press("1")
        await until_shown(pilot, "[1 Runs]", "created")


async def test_what_is_amiss_is_said_and_its_field_is_in_focus(tmp_path: Path, genres: Path) -> None:
    app = app_for(tmp_path, genres)
    async with app.run_test(notifications=True, size=SIZE) as pilot:
        await pilot.press("n")
        await until_shown(pilot, "30 clips")
        await pilot.press("down", "down", "down", "ctrl+u")
        await type_text(pilot, "many")
        await pilot.press("tab", "ctrl+r")
        await until_shown(pilot, "Epochs: enter a whole number, from 1 to", "1,000,000.")
        assert app.focused is not None
        assert app.focused.id == "epochs"
        assert list_runs(tmp_path / "runs") == []


@pytest.fixture
def look_may_end(monkeypatch: pytest.MonkeyPatch) -> Iterator[Event]:
    """The look at the dataset says nothing before this is set."""
    may_end = Event()

    class Held(JsonlProcess[Scan, Message]):
        def _read(self, process: subprocess.Popen[bytes]) -> None:
            may_end.wait()
            super()._read(process)

    monkeypatch.setattr(new_run, "JsonlProcess", Held)
    yield may_end
    may_end.set()


async def test_an_early_start_waits_for_the_summary(
    tmp_path: Path, genres: Path, launched: list[RunFolder], look_may_end: Event
) -> None:
    app = app_for(tmp_path, genres)
    async with app.run_test(notifications=True, size=SIZE) as pilot:
        await pilot.press("n", "down", "ctrl+r")
        await until_shown(pilot, "Training starts when the scan is finished.")
        assert app.focused is not None
        assert app.focused.id == "preset"
        assert launched == []
        look_may_end.set()
        await until_shown(pilot, "[2 Watch]", "small_cnn")
        assert len(launched) == 1


async def test_an_early_start_is_off_once_the_form_changes(
    tmp_path: Path, genres: Path, launched: list[RunFolder], look_may_end: Event
) -> None:
    app = app_for(tmp_path, genres)
    async with app.run_test(notifications=True, size=SIZE) as pilot:
        await pilot.press("n", "down", "ctrl+r")
        await until_shown(pilot, "Training starts when")
        await pilot.press("right")
        await until_gone(pilot, "Training starts when")
        look_may_end.set()
        await until_shown(pilot, "30 clips")
        await pilot.pause()
        assert launched == []


async def test_a_name_that_is_taken_is_said(tmp_path: Path, genres: Path, launched: list[RunFolder]) -> None:
    made_up_run.write_run(tmp_path / "runs" / "mine", made_up_run.whole(2))
    async with app_for(tmp_path, genres).run_test(notifications=True, size=SIZE) as pilot:
        await pilot.press("n")
        await until_shown(pilot, "30 clips")
        pilot.app.screen.query_one("#name").focus()
        await type_text(pilot, "mine")
        await pilot.press("ctrl+r")
        await until_shown(pilot, "already a run called mine")
        assert launched == []


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda folder: None, "There is no folder"),
        (lambda folder: folder.mkdir(), "should have a folder for each genre"),
        (lambda folder: three_genres(folder, clips=2, genres=1), "only one genre"),
        (lambda folder: three_genres(folder, clips=1), "needs 3 or more"),
    ],
    ids=["no folder", "empty", "one genre", "too few clips"],
)
async def test_a_dataset_that_cannot_be_trained_on_is_said_in_words(
    tmp_path: Path, make: "object", says: str, launched: list[RunFolder]
) -> None:
    make(tmp_path / "data")  # type: ignore[operator]
    async with app_for(tmp_path, tmp_path / "data").run_test(notifications=True, size=(200, 60)) as pilot:
        await pilot.press("n")
        await until_shown(pilot, says)
        await pilot.press("ctrl+r")
        await pilot.pause()
        assert launched == []


async def test_a_folder_is_chosen_in_the_tree(tmp_path: Path, genres: Path) -> None:
    async with app_for(tmp_path, genres.parent).run_test(notifications=True, size=SIZE) as pilot:
        await pilot.press("n", "ctrl+t")
        await until_shown(pilot, "Choose the folder")
        await until_shown(pilot, "data: 3 genres, 31 audio files", "▸ genres")
        await pilot.press("down")
        await until_shown(pilot, "genres: 3 genres, 31 audio files")
        await pilot.press("enter")
        await until_gone(pilot, "Choose the folder")
        assert pilot.app.screen.query_one("#data").value == str(genres)  # type: ignore[attr-defined]
        await until_shown(pilot, "30 clips")


async def test_the_tree_shows_what_is_in_a_folder_that_opens_at_its_lower_edge(tmp_path: Path) -> None:
    music = tmp_path / "music"
    for number in range(60):
        (music / f"folder-{number:02d}").mkdir(parents=True)
    for inside in ("40/one", "40/two", "59/three"):
        (music / f"folder-{inside}").mkdir()
    async with app_for(tmp_path, music / "folder-40").run_test(notifications=True, size=SIZE) as pilot:
        await pilot.press("n", "ctrl+t")
        await until_shown(pilot, "folder-39/", "▾ folder-40/", "▸ one", "▸ two")
        await pilot.press("end")
        await until_shown(pilot, "▸ folder-59/")
        await pilot.press("right")
        await until_shown(pilot, "▾ folder-59/", "▸ three")


async def test_a_path_completes_as_one_types(tmp_path: Path, genres: Path) -> None:
    (tmp_path / "data" / "genres").mkdir(parents=True)  # in the test's home, so that the whole path fits its field
    async with app_for(tmp_path, genres).run_test(notifications=True, size=SIZE) as pilot:
        await pilot.press("n", "ctrl+u")
        await type_text(pilot, "~/data/gen")
        await until_shown(pilot, "~/data/genres/")
        await pilot.press("tab")
        assert pilot.app.screen.query_one("#data").value == "~/data/genres/"  # type: ignore[attr-defined]
        await pilot.press("tab")
        assert pilot.app.focused is not None
        assert pilot.app.focused.id == "preset"


def test_completion_is_the_first_folder_that_begins_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("music", "museum", ".hidden"):
        (tmp_path / name).mkdir()
    (tmp_path / "mud.wav").touch()
    monkeypatch.chdir(tmp_path)
    assert complete_folder(f"{tmp_path}/mu") == f"{tmp_path}/museum/"
    assert complete_folder(f"{tmp_path}/mus") == f"{tmp_path}/museum/"
    assert complete_folder(f"{tmp_path}/musi") == f"{tmp_path}/music/"
    assert complete_folder("musi") == "music/"
    assert complete_folder("~/musi") == "~/music/"
    assert complete_folder(f"{tmp_path}/.h") == f"{tmp_path}/.hidden/"
    assert complete_folder(f"{tmp_path}/") is None
    assert complete_folder(f"{tmp_path}/x") is None
    assert complete_folder("/no/such/pl") is None


async def test_a_newcomer_makes_the_demonstration_dataset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, launched: list[RunFolder]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("core.dataset.synthetic.make_demo", partial(three_genres, clips=10))
    app = app_for(tmp_path)
    async with app.run_test(notifications=True, size=SIZE) as pilot:
        await until_shown(pilot, "No runs yet")
        await pilot.press("g")
        await until_shown(pilot, "Create a demo dataset")
        await pilot.press("enter")
        await until_shown(pilot, "30 clips · 3 genres", "Start training")
        await pilot.press("ctrl+r")
        await until(pilot, lambda: app.current_mode == "watch")
        assert launched[0].read_recipe()["data"] == str(tmp_path / "demo" / "genres")


async def test_a_demonstration_never_overwrites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "demo" / "genres").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    async with app_for(tmp_path).run_test(notifications=True, size=SIZE) as pilot:
        await until_shown(pilot, "No runs yet")
        await pilot.press("g")
        await until_shown(pilot, "Create a demo dataset")
        await pilot.press("enter")
        await until_shown(pilot, "already exists")
        await pilot.press("escape")
        await until_shown(pilot, "No runs yet")


def test_a_folder_is_described_by_its_names(genres: Path, tmp_path: Path) -> None:
    assert describe(genres) == "3 genres, 31 audio files"
    assert describe(genres.parent) == "3 genres, 31 audio files"
    assert describe(tmp_path).startswith("not a dataset")
    assert describe(tmp_path / "none").startswith("cannot be read")


async def test_escape_starts_nothing(tmp_path: Path, genres: Path) -> None:
    async with app_for(tmp_path, genres).run_test(notifications=True, size=SIZE) as pilot:
        await pilot.press("n")
        await until_shown(pilot, "Start training")
        await pilot.press("escape")
        await until_shown(pilot, "No runs yet")
        assert list_runs(tmp_path / "runs") == []
        assert "Start training" not in text(pilot)
