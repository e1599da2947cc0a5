"""The New run screen: from a folder to a detached trainer."""

import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from threading import Event

import msgspec
import pytest

from core.dataset.synthetic import make_demo
from core.runs import actions
from core.runs.directory import list_runs
from core.runs.folder import RunFolder
from core.training.fields import recipe_fields
from core.training.presets import preset
from core.training.recipe import to_dict
from core.util.jsonl_process import JsonlProcess
from tests.support import example_run as made_up_run
from tests.support.pilot import text, turn_wheel, type_text, until, until_gone, until_shown
from tui.app import GenreApp
from tui.dialogs.pickers import describe
from tui.new_run import dataset_panel
from tui.new_run.dataset_process import Message, Scan
from tui.new_run.rows import FieldGroup, FieldRow, FoldTitle
from tui.shell.settings import NewRunSettings, Settings
from tui.widgets.fields import Completion, complete_path

SIZE = (120, 40)
FIELDS = ("Dataset", "Preset", "Model", "Epochs", "Batch size", "Learning rate", "Seed", "Device", "Name")


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
        await until_shown(pilot, "30 clips · 3 genres", "train 24 · valid 3 · test 3", "left out (1)", "broken.wav")


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_everything_that_is_needed_fits(tmp_path: Path, genres: Path, size: tuple[int, int]) -> None:
    async with app_for(tmp_path, genres).run_test(notifications=True, size=size) as pilot:
        await pilot.press("n")
        await until_shown(pilot, "30 clips · 3 genres", *FIELDS, "Start training", "quick", "small_cnn")


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
        await until_shown(pilot, "Epochs: enter a whole number.")
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

    monkeypatch.setattr(dataset_panel, "JsonlProcess", Held)
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


def test_completion_goes_as_far_as_the_names_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("music", "museum", ".hidden"):
        (tmp_path / name).mkdir()
    (tmp_path / "mud.wav").touch()
    monkeypatch.chdir(tmp_path)
    assert complete_path(f"{tmp_path}/m") == Completion(f"{tmp_path}/mus", ("museum/", "music/"))
    assert complete_path(f"{tmp_path}/m", files=True).candidates == ("mud.wav", "museum/", "music/")
    assert complete_path(f"{tmp_path}/musi") == Completion(f"{tmp_path}/music/", ("music/",))
    assert complete_path("musi").text == "music/"
    assert complete_path("~/musi").text == "~/music/"
    assert complete_path(f"{tmp_path}/.h").text == f"{tmp_path}/.hidden/"
    assert complete_path(f"{tmp_path}/") == Completion(f"{tmp_path}/mus", ("museum/", "music/"))
    assert complete_path(f"{tmp_path}/x") == Completion(f"{tmp_path}/x")
    assert complete_path("/no/such/pl") == Completion("/no/such/pl")
    assert complete_path("~nobody-at-all/x") == Completion("~nobody-at-all/x")


async def test_candidates_are_listed(tmp_path: Path, genres: Path) -> None:
    for name in ("music", "museum"):
        (tmp_path / name).mkdir()
    async with app_for(tmp_path, genres).run_test(notifications=True, size=SIZE) as pilot:
        await pilot.press("n", "ctrl+u")
        await type_text(pilot, "~/m")
        await pilot.press("tab")
        await until_shown(pilot, "~/mus", "museum/  music/")
        assert pilot.app.focused is not None
        assert pilot.app.focused.id == "data"
        await pilot.press("tab")
        await until(pilot, lambda: getattr(pilot.app.focused, "id", "") == "data")
        await pilot.press("tab")
        await until(pilot, lambda: getattr(pilot.app.focused, "id", "") == "preset")


async def test_changed_fields_are_marked_kept_and_reset(tmp_path: Path, genres: Path) -> None:
    app = app_for(tmp_path, genres)
    async with app.run_test(notifications=True, size=SIZE) as pilot:
        await pilot.press("n")
        await until_shown(pilot, "30 clips")
        app.screen.query_one("#epochs").focus()
        await pilot.press("ctrl+u", "7")
        await until_shown(pilot, "• Epochs", "quick: 20", "Passes over the training clips.")
        app.screen.query_one("#preset").focus()
        await pilot.press("right")
        await until_shown(pilot, "‹ seed", "• Epochs", "seed: 20")
        app.screen.query_one("#epochs").focus()
        await pilot.press("f2")
        await until_gone(pilot, "• Epochs")
        assert app.screen.query_one("#epochs").value == "20"  # type: ignore[attr-defined]


async def test_the_whole_recipe_is_in_the_folds(tmp_path: Path, genres: Path, launched: list[RunFolder]) -> None:
    app = app_for(tmp_path, genres)
    async with app.run_test(notifications=True, size=(120, 60)) as pilot:
        await pilot.press("n")
        await until_shown(pilot, "30 clips", "▸ Optimiser")
        for group in app.screen.query(FieldGroup):
            group.query_one(FoldTitle).focus()
            await pilot.pause()
            await pilot.click(group.query_one(FoldTitle))
            await until(pilot, lambda group=group: group.query_one(FoldTitle).is_open)  # type: ignore[misc]
        await until(pilot, lambda: bool(app.screen.query("#webhook")))
        rows = {row.field for row in app.screen.query(FieldRow)}
        assert rows >= set(recipe_fields())
        app.screen.query_one("#optimiser-warmup").focus()
        await pilot.press("ctrl+u", "2")
        await until_shown(pilot, "Warmup must be from 0")
        await pilot.press("ctrl+u", *"0.25")
        await until_shown(pilot, "quick: 0.1", "▾ Optimiser · 1 changed")
        await pilot.press("ctrl+r")
        await until(pilot, lambda: app.current_mode == "watch")
        assert launched[0].read_recipe()["optimiser"]["warmup"] == 0.25


async def test_a_run_is_cloned_and_leaving_asks(tmp_path: Path, genres: Path, launched: list[RunFolder]) -> None:
    recipe = msgspec.structs.replace(preset("seed", str(genres)), epochs=3)
    actions.start(tmp_path / "runs", to_dict(recipe), "data", name="mine", prepare_only=True)
    app = app_for(tmp_path)
    async with app.run_test(notifications=True, size=SIZE) as pilot:
        await until_shown(pilot, "mine")
        await pilot.press("n")
        await until_shown(pilot, "30 clips", "• Epochs", "seed: 20")
        await pilot.press("escape")
        await until_gone(pilot, "Start training")
        await pilot.press("n")
        await until_shown(pilot, "30 clips")
        app.screen.query_one("#epochs").focus()
        await pilot.press("4", "escape")
        await until_shown(pilot, "Leave without starting?")
        await pilot.press("n")
        await until_gone(pilot, "Leave without starting?")
        await pilot.press("ctrl+y")
        await until_shown(pilot, "--epochs 4")
        assert app.clipboard.startswith(f"genre-tui train {genres} --preset seed")
        await pilot.press("escape", "y")
        await until_gone(pilot, "Start training")
        assert launched == []


async def test_genres_are_merged_in_place(tmp_path: Path, genres: Path, launched: list[RunFolder]) -> None:
    app = app_for(tmp_path, genres)
    async with app.run_test(notifications=True, size=SIZE) as pilot:
        await pilot.press("n")
        await until_shown(pilot, "3 genres")
        first, second, _ = sorted(path.name for path in genres.iterdir())
        app.screen.query_one("#genres").focus()
        await pilot.press("enter")
        await until_shown(pilot, f"{first} counts as which genre?")
        await pilot.press("ctrl+u", *second, "enter")
        await until_shown(pilot, "2 genres", "• Rename table")
        await pilot.press("ctrl+r")
        await until(pilot, lambda: app.current_mode == "watch")
        labels = launched[0].read_recipe()["labels"]
        assert Path(labels["map"]).read_text() == f"{first},{second}\n"


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


async def test_the_wheel_turns_from_one_whole_panel_to_the_other_on_a_small_terminal(
    tmp_path: Path, genres: Path
) -> None:
    async with app_for(tmp_path, genres).run_test(size=(80, 24)) as pilot:
        await pilot.press("n")
        await until_shown(pilot, "30 clips")
        frames = {text(pilot).splitlines()[1][:6]}
        for up in (False, True):
            for _ in range(20):
                await turn_wheel(pilot, 30, 10, up=up)
                lines = text(pilot).splitlines()
                assert lines[1].startswith("╭─") and lines[20].startswith("╰─")  # never a part of both
                frames.add(lines[1][:6])
            assert ("Dataset" in lines[1]) is not up
        assert len(frames) == 2
        await turn_wheel(pilot, 30, 10, up=False)
        for _ in range(20):
            await turn_wheel(pilot, 30, 10, up=False)
        await pilot.resize_terminal(80, 30)
        await until(pilot, lambda: "Dataset" in text(pilot).splitlines()[1], "the same panel after a resize")
        await until(pilot, lambda: text(pilot).splitlines()[26].startswith("╰─"), "the whole panel")
