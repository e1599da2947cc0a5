"""The Classify screen with the real process behind it: torch, a trained model, and real files."""

import csv
import json
import os
import shutil
import signal
from pathlib import Path

import psutil
import pytest
import soundfile
from textual.pilot import Pilot

from core.inference.find_model import choose_model
from core.inference.workers.file_worker import Classify
from core.tags.formats import read_genres
from core.util.jsonl_process import path_from_json, path_to_json
from tests.support.pilot import text, until, until_gone, until_shown
from tests.support.small_model import GENRES, a_sound, shared_model
from tui.app import GenreApp
from tui.classify.detail import SoundDetail
from tui.classify.places import Places, read_places
from tui.classify.results import ResultList
from tui.classify.screen import ClassifyScreen
from tui.widgets.file_tree import AudioTree

SIZE = (120, 40)


@pytest.fixture
def music(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a sound of every genre, one of no format at all, and a text."""
    folder = tmp_path / "music"
    for genre in GENRES:
        (folder / "known").mkdir(parents=True, exist_ok=True)
        shutil.copy(a_sound(genre), folder / "known" / f"{genre}.au")
    (folder / "broken.mp3").write_bytes(b"no music at all" * 100)
    (folder / "notes.txt").write_text("a text")
    monkeypatch.chdir(folder)
    return folder


def an_app(tmp_path: Path) -> GenreApp:
    """With one run, whose best model is the small one and in use."""
    run = tmp_path / "runs" / "a-run"
    run.mkdir(parents=True)
    (run / "recipe.json").write_text("{}")
    shutil.copy(shared_model(), run / "best_model.pth")
    choose_model("a-run", tmp_path / "runs")
    return GenreApp(tmp_path / "runs")


def children(pid: int) -> list[psutil.Process]:
    return [p for p in psutil.Process(pid).children() if "core.inference.workers.file_worker" in " ".join(p.cmdline())]


async def test_a_file_of_the_tree_is_classified_in_full(tmp_path: Path, music: Path) -> None:
    app = an_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("3")
        await until_shown(pilot, "known/", "broken.mp3", "model a-run")
        assert "notes.txt" not in text(pilot)
        await pilot.press("down", "enter", "down", "down", "enter")  # open the folder, the second file in it
        await until_shown(pilot, f"{GENRES[1]}.au", "1 of 1 file classified")
        sound = app.screen.query_one(ResultList).current
        assert sound is not None and sound.prediction is not None and sound.image is not None
        assert sound.prediction.genre == GENRES[1]
        assert sound.image.columns > 100
        await until_shown(pilot, f"{GENRES[1]} ━", "▀▀▀▀", f"▌{GENRES[1]}")
    assert not children(os.getpid()), "the classifier's process outlived the app"


async def test_the_nearest_training_clips_stand_under_the_probabilities(tmp_path: Path, music: Path) -> None:
    app = GenreApp(tmp_path / "runs")  # with the bundled model, which remembers clips
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("3")
        await until_shown(pilot, "known/", "broken.mp3", "model default")
        await pilot.press("down", "enter", "down", "enter")
        await until_shown(pilot, "1 of 1 file classified", "nearest training clips")
        sound = app.screen.query_one(ResultList).current
        assert sound is not None and sound.prediction is not None
        shown = [clip.name in text(pilot) for clip in sound.prediction.nearest]
        assert len(shown) == 5 and sum(shown) in (3, 5)


async def test_what_is_marked_is_classified_and_what_cannot_be_read_is_named(tmp_path: Path, music: Path) -> None:
    app = an_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("3")
        await until_shown(pilot, "broken.mp3")
        await pilot.press("down", "space", "space", "a")
        await until_shown(pilot, "5 of 5 files classified", "✗ unreadable")
        results = app.screen.query_one(ResultList)
        assert [sound.state for sound in results.sounds] == ["classified"] * 4 + ["unreadable"]
        assert {sound.path.stem: sound.prediction.genre for sound in results.sounds if sound.prediction} == {
            genre: genre for genre in GENRES
        }
        assert not app.screen.query_one(AudioTree).marked
        while results.order != "genre":
            await pilot.press("greater_than_sign")
        await pilot.press("R")
        answers = [sound.answer for sound in results.sounds]
        assert answers == sorted(answers, reverse=True)


async def test_titles_stand_over_their_columns_in_every_size(tmp_path: Path, music: Path) -> None:
    app = an_app(tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("3")
        await until_shown(pilot, "broken.mp3")
        await app.classify_paths([music / "known"])
        await until_shown(pilot, "4 of 4 files classified")
        await pilot.resize_terminal(80, 24)  # room for one pane: the results are hidden meanwhile
        await until(pilot, lambda: app.screen.has_class("-one-pane"), "one pane")
        await pilot.press("shift+tab")

        def over_each_other() -> bool:
            lines = text(pilot).splitlines()
            titles = next((line for line in lines if "file" in line and "length" in line), "")
            rows = [line for line in lines if f"{GENRES[0]}.au" in line]
            return bool(rows) and titles.index("length") + len("length") == rows[0].index("00:12") + len("00:12")

        await until(pilot, over_each_other, "the titles over their columns")


async def test_the_cursor_reads_the_windows_of_a_track(tmp_path: Path, music: Path) -> None:
    app = an_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        await app.classify_paths([music / "known" / f"{GENRES[0]}.au"])
        await until_shown(pilot, "1 of 1 file classified")
        assert app.screen.query_one(SoundDetail).has_focus
        await pilot.press("right")
        await until_shown(pilot, "00:00–00:03")
        await pilot.press("right")
        await until_shown(pilot, "00:03–00:06")
        await pilot.press("left", "left")  # beyond the first window lies the whole file
        await until_gone(pilot, "00:00–00:03")
        assert "00:12" in text(pilot)


async def test_a_crash_costs_one_file(tmp_path: Path, music: Path) -> None:
    app = an_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        await app.classify_paths([music / "known" / f"{GENRES[0]}.au"])
        await until_shown(pilot, "1 of 1 file classified")
        (process,) = children(os.getpid())
        # Stopped, it cannot answer; killed, it never will: the crash of a decoder as the app sees it.
        process.send_signal(signal.SIGSTOP)
        await app.classify_paths([music / "known" / f"{genre}.au" for genre in GENRES[1:3]])
        screen = app.screen
        assert isinstance(screen, ClassifyScreen)
        await until_shown(pilot, "1 of 3 files classified")
        process.send_signal(signal.SIGKILL)
        await until_shown(pilot, "3 of 3 files classified", "✗ unreadable")
        states = [sound.state for sound in screen.query_one(ResultList).sounds]
        assert states == ["classified", "unreadable", "classified"]
        assert "crashed" in str(screen.query_one(ResultList).sounds[1].unreadable)


async def test_filter_narrows_the_tree_and_all_files_can_be_shown(tmp_path: Path, music: Path) -> None:
    app = an_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("3")
        await until_shown(pilot, "known/")
        await pilot.press("f")
        await until_shown(pilot, "notes.txt")
        await pilot.press("f", "down", "enter", "slash", *"organ")
        await until_shown(pilot, "organ-hymn.au")
        await until_gone(pilot, "saw-wall.au")
        await pilot.press("escape")
        await until_shown(pilot, "saw-wall.au")


async def test_without_a_model_it_says_how_to_get_one(
    tmp_path: Path, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.inference.find_model.default_model", lambda: None)
    app = GenreApp(tmp_path / "runs")
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("3")
        await until_shown(pilot, "there is no model yet")


async def test_a_narrow_terminal_shows_one_pane_at_a_time(tmp_path: Path, music: Path) -> None:
    app = an_app(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("3")
        await until_shown(pilot, "[files]", "broken.mp3")
        await pilot.press("down", "down", "enter")
        await until_shown(pilot, "[sound]", "✗")
        await pilot.press("shift+tab")
        await until_shown(pilot, "[results]", "broken.mp3", "✗ unreadable")
        await pilot.resize_terminal(20, 5)
        await pilot.resize_terminal(120, 40)
        await until_shown(pilot, "known/", "✗ unreadable")


async def test_names_of_any_bytes_reach_the_process(tmp_path: Path, music: Path) -> None:
    odd = music / os.fsdecode(b"caf\xe9\n.au")
    shutil.copy(a_sound(GENRES[2]), odd)
    assert path_from_json(path_to_json(odd)) == odd
    app = an_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        await app.classify_paths([odd])
        await until_shown(pilot, "1 of 1 file classified", "caf\\xe9\\n.au")
        sound = app.screen.query_one(ResultList).current
        assert sound is not None and sound.prediction is not None and sound.prediction.genre == GENRES[2]


async def test_what_waits_can_be_taken_back(tmp_path: Path, music: Path) -> None:
    app = an_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        await app.classify_paths([music / "known" / f"{GENRES[0]}.au"])
        await until_shown(pilot, "1 of 1 file classified")
        (process,) = children(os.getpid())
        process.send_signal(signal.SIGSTOP)
        await app.classify_paths([music / "known" / f"{genre}.au" for genre in GENRES[1:]])
        await until_shown(pilot, "1 of 4 files classified")
        screen = app.screen
        assert isinstance(screen, ClassifyScreen)
        await until(pilot, lambda: len(screen._process.waiting) == 2, "the first file to be handed over")
        await pilot.press("X")
        assert not any(isinstance(request, Classify) for request in screen._process.waiting)
        process.send_signal(signal.SIGCONT)
        await until_gone(pilot, "waiting")


async def test_predictions_by_another_model_are_marked_and_made_anew(tmp_path: Path, music: Path) -> None:
    app = an_app(tmp_path)
    other = tmp_path / "other.pth"
    shutil.copy(shared_model(), other)
    async with app.run_test(size=SIZE) as pilot:
        await app.classify_paths([music / "known" / f"{GENRES[0]}.au"])
        await until_shown(pilot, "1 of 1 file classified")
        screen = app.screen
        assert isinstance(screen, ClassifyScreen)
        screen._take_model(other)
        await until_shown(pilot, "model other", "1 by another model: r classifies again", f"~ {GENRES[0]}")
        await pilot.press("r")
        await until_gone(pilot, "by another model")
        await until_shown(pilot, "1 of 1 file classified", f"{GENRES[0]} ")
        (sound,) = screen.query_one(ResultList).sounds
        assert sound.prediction is not None and sound.prediction.model == "other"


async def test_a_truncated_file_has_the_warning_of_the_command(tmp_path: Path, music: Path) -> None:
    cut = music / "cut.au"
    cut.write_bytes(a_sound(GENRES[0]).read_bytes()[:200_000])
    app = an_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        await app.classify_paths([cut])
        await until_shown(pilot, "1 of 1 file classified", "cut off")


async def classified(pilot: Pilot[None], music: Path) -> None:
    """The whole folder of known sounds."""
    screen = pilot.app.screen
    assert isinstance(screen, ClassifyScreen)
    screen.classify_paths([music / "known"])
    await until_shown(pilot, f"{len(GENRES)} of {len(GENRES)} files classified")


@pytest.fixture
def by_genre(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder per genre, one sound in each, and one sound in the folder of another genre."""
    folder = tmp_path / "music"
    for genre in GENRES:
        (folder / genre).mkdir(parents=True)
        soundfile.write(folder / genre / f"{genre}-first.wav", *soundfile.read(a_sound(genre)))
    shutil.copy(folder / GENRES[0] / f"{GENRES[0]}-first.wav", folder / GENRES[1] / "stray.wav")
    monkeypatch.chdir(folder)
    return folder


async def test_totals_and_accuracy_where_labels_are_known(tmp_path: Path, by_genre: Path) -> None:
    app = an_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("3")
        await until_shown(pilot, "model a-run")
        await pilot.press("a")
        number = len(GENRES) + 1
        await until_shown(pilot, f"{number} of {number} files classified")
        await pilot.press("t")
        share = f"{100 * len(GENRES) / number:.1f}%"
        await until_shown(pilot, "labels: a folder per genre", f"accuracy {share} ({len(GENRES)} of {number} files)")
        await until_shown(pilot, "Confusion")
        await pilot.press("t")
        await until_gone(pilot, "Confusion")


async def test_a_click_on_a_title_sorts_and_again_reverses(tmp_path: Path, music: Path) -> None:
    app = an_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("3")
        await until_shown(pilot, "model a-run")
        await classified(pilot, music)
        results = app.screen.query_one(ResultList)
        await pilot.click("#results-head", offset=(3, 0))
        await until_shown(pilot, "file▲")
        assert [sound.path.stem for sound in results.sounds] == sorted(GENRES)
        await pilot.click("#results-head", offset=(3, 0))
        await until_shown(pilot, "file▼")
        assert [sound.path.stem for sound in results.sounds] == sorted(GENRES, reverse=True)
        await pilot.press("N", "N")
        await until_shown(pilot, "path▼", "own/organ-hymn.au")


async def test_predictions_become_files(tmp_path: Path, music: Path) -> None:
    app = an_app(tmp_path)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await pilot.press("3")
        await until_shown(pilot, "model a-run")
        await classified(pilot, music)
        await pilot.press("w")
        await until_shown(pilot, "Write the predictions")
        await pilot.press("ctrl+u", *"out.csv", "enter")
        await until_shown(pilot, f"Wrote {len(GENRES)} files")
        rows = list(csv.DictReader((music / "out.csv").open(newline="")))
        assert [row["genre"] for row in rows] == list(GENRES)
        for turns, name in ((1, "genres.jsonl"), (2, "playlists")):
            await pilot.press("w")
            await until_shown(pilot, "Write the predictions")
            await pilot.press("shift+tab", *["right"] * turns)
            await until_shown(pilot, name)
            await pilot.press("enter")
            await until_gone(pilot, "Write the predictions")
        lines = (music / "genres.jsonl").read_text().splitlines()
        assert [json.loads(line)["genre"] for line in lines] == list(GENRES)
        assert sorted(path.stem for path in (music / "playlists").iterdir()) == sorted(GENRES)


async def test_tags_are_tried_written_and_undone(tmp_path: Path, by_genre: Path) -> None:
    files = sorted(by_genre.rglob("*.wav"))
    before = [path.read_bytes() for path in files]
    app = an_app(tmp_path)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await pilot.press("3")
        await until_shown(pilot, "model a-run")
        await pilot.press("a")
        await until_shown(pilot, f"{len(files)} of {len(files)} files classified", "100%")
        await pilot.press("w")
        await until_shown(pilot, "Write the predictions")
        await pilot.press("shift+tab", "right", "right", "right")
        await until_shown(pilot, f"{len(files)} files would get a genre", "enter writes")
        assert [path.read_bytes() for path in files] == before
        await pilot.press("enter")
        await until_shown(pilot, f"{len(files)} files got a genre")
        assert [path.read_bytes() for path in files] != before
        assert {genre for path in files for genre in read_genres(path)} == set(GENRES)
        await pilot.press("u")
        await until_shown(pilot, f"Undid the tags of {len(files)} files.")
        assert [path.read_bytes() for path in files] == before


async def test_it_goes_to_any_folder_and_remembers(tmp_path: Path, music: Path) -> None:
    app = an_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("3")
        await until_shown(pilot, "broken.mp3")
        await pilot.press("colon")
        await until_shown(pilot, "Go to a folder")
        await pilot.press("ctrl+u", *"/no/such", "enter")
        await until_shown(pilot, "There is no /no/such.")
        await pilot.press("ctrl+u", *"~/music/kn", "tab")
        await until_shown(pilot, "~/music/known/")
        await pilot.press("ctrl+d", "enter")
        await until_gone(pilot, "Go to a folder")
        tree = app.screen.query_one(AudioTree)
        assert tree.root == music / "known"
        assert read_places() == Places(bookmarks=[str(music / "known")], recent=[str(music / "known")])
        tree.show_root(music)
        await pilot.press("colon")
        await until_shown(pilot, "★ ~/music/known")
        await pilot.press("down", "enter")
        await until(pilot, lambda: tree.root == music / "known")
        await pilot.press("colon")
        await until_shown(pilot, "★ ~/music/known")
        await pilot.press("ctrl+u", *"~/music/broken.mp3", "enter")
        results = app.screen.query_one(ResultList)
        await until(pilot, lambda: [sound.path.name for sound in results.sounds] == ["broken.mp3"])


async def test_more_than_ten_thousand_files_are_asked_about(
    tmp_path: Path, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui.classify.screen.MANY", 2)
    app = an_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("3")
        await until_shown(pilot, "model a-run")
        await pilot.press("a")
        await until_shown(pilot, "Classify 5 files?")
        await pilot.press("n")
        await until_gone(pilot, "Classify 5 files?")
        assert not app.screen.query_one(ResultList).sounds
        await pilot.press("a")
        await until_shown(pilot, "Classify 5 files?")
        await pilot.press("y")
        await until_shown(pilot, "of 5 files classified")
