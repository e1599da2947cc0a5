"""The Label screen with the real process behind it."""

from pathlib import Path

import numpy as np
import pytest
from textual.pilot import Pilot

from core.dataset.labels.decisions import EXCLUDED, current, labels_with, read_overlay
from core.dataset.scan import survey
from core.runs.folder import RunFolder
from core.util.errors import UserError
from tests.support.folders import genre_folder
from tests.support.pilot import text, until, until_shown
from tests.support.sounds import sweep, write
from tui.app import GenreApp
from tui.label.panels import ClipTable, ClipTitles, Neighbours
from tui.label.screen import LabelScreen, _check_genre
from tui.new_run.screen import NewRunScreen


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GENRE_TUI_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


async def opened(pilot: Pilot[None], data: Path) -> tuple[LabelScreen, ClipTable]:
    await pilot.press("5")
    await until_shown(pilot, "[5 Label]", "O opens a dataset")
    screen = pilot.app.screen
    assert isinstance(screen, LabelScreen)
    screen.open_dataset(data)
    return screen, screen.query_one(ClipTable)


async def test_decisions_by_key_are_kept_and_taken_back(here: Path) -> None:
    music = genre_folder(here / "music", {"jazz": 3, "metal": 3}, seconds=2.0)
    labels = here / "labels.csv"
    app = GenreApp(here / "runs")
    async with app.run_test(size=(120, 40)) as pilot:
        _, table = await opened(pilot, music)
        await until_shown(pilot, "6 clips", "sounds like", "a jazz", "e metal")
        clips = list(table.clips)
        doubts = [clip.score or 0.0 for clip in clips]
        assert doubts == sorted(doubts, reverse=True)
        await pilot.press("e", "x", "space", "enter")
        decided = ["metal", EXCLUDED, clips[2].label, clips[3].suggested]
        assert [clip.decision for clip in clips[:4]] == decided
        assert table.cursor == 4
        await until(pilot, lambda: labels.exists() and len(read_overlay(labels)) == 4)
        assert [decision.who for decision in read_overlay(labels)] == ["key", "key", "key", "suggestion"]
        await pilot.press("n", *"punk", "enter")
        await until_shown(pilot, "punk", "5 decisions")
        await pilot.press("u", "u")
        await until_shown(pilot, "3 decisions")
        await until(pilot, lambda: len(read_overlay(labels)) == 7)
        assert [clip.decision for clip in clips[:5]] == [*decided[:3], "", ""]
    found = survey(music)
    kept = labels_with(found.clips, found.root, current(read_overlay(labels)))
    assert kept[clips[0].index] == "metal" and kept[clips[1].index] is None
    again = GenreApp(here / "runs")
    async with again.run_test(size=(80, 24)) as pilot:
        _, table = await opened(pilot, music)
        await until_shown(pilot, "6 clips", "3 decisions", "[clips]")
        by_index = {clip.index: clip.decision for clip in table.clips}
        assert [by_index[clip.index] for clip in clips[:4]] == [*decided[:3], ""]


async def test_marks_filter_and_neighbours(here: Path) -> None:
    music = genre_folder(here / "music", {"jazz": 3, "metal": 3}, seconds=2.0)
    app = GenreApp(here / "runs")
    async with app.run_test(size=(120, 40)) as pilot:
        screen, table = await opened(pilot, music)
        await until_shown(pilot, "6 clips")
        await pilot.press("slash", *"metal.0000", "enter")
        await until_shown(pilot, "3 of 6 clips")
        metal = list(table.clips)
        await pilot.press("V", "shift+down")
        await until_shown(pilot, "2 marked")
        await pilot.press("a")
        assert [clip.decision for clip in metal] == ["jazz", "jazz", ""]
        await pilot.press("u")
        await until_shown(pilot, "0 decisions")
        await pilot.press("home")
        near = screen.query_one(Neighbours)
        index = metal[0].index
        await until(pilot, lambda: screen.session.looked is not None and screen.session.looked.index == index)
        assert len(near.clips) == 5
        target = near.clips[0]
        await pilot.press("tab", "tab", "enter")
        await until(pilot, lambda: table.current is target)
        assert len(table.clips) == 6, "a jump leaves the filter"


async def test_the_table_is_sorted_by_its_titles(here: Path) -> None:
    genre_folder(here / "music", {"jazz": 3, "metal": 3}, seconds=2.0)
    app = GenreApp(here / "runs")
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("5", "O", "colon")
        await until_shown(pilot, "tab complete")
        await pilot.press("ctrl+u", *str(here / "mus"), "tab")
        await until_shown(pilot, "/music/")
        await pilot.press("enter")
        await until_shown(pilot, "6 clips")
        table = app.screen.query_one(ClipTable)
        own = [clip.index for clip in table.clips]

        def titled(title: str) -> tuple[int, int]:
            region = app.screen.query_one(ClipTitles).region
            return text(pilot).splitlines()[region.y].index(title) - region.x, 0

        names = sorted(clip.name for clip in table.clips)
        await pilot.click(ClipTitles, offset=titled("file"))
        await until_shown(pilot, "file▲")
        assert [clip.name for clip in table.clips] == names
        await pilot.click(ClipTitles, offset=titled("file"))
        await until_shown(pilot, "file▼")
        assert [clip.name for clip in table.clips] == names[::-1]
        await pilot.press("greater_than_sign")
        await until(pilot, lambda: [clip.index for clip in table.clips] == own)
        await pilot.press("greater_than_sign", "greater_than_sign", "R")
        await until_shown(pilot, "given▼")
        assert [clip.label for clip in table.clips] == ["metal"] * 3 + ["jazz"] * 3


async def test_a_run_gives_a_second_opinion_about_the_clips_that_it_does_not_know(here: Path) -> None:
    music = genre_folder(here / "music", {"jazz": 3, "metal": 3}, seconds=2.0)
    app = GenreApp(here / "runs")
    async with app.run_test(size=(160, 40), notifications=True) as pilot:
        screen, table = await opened(pilot, music)
        await until_shown(pilot, "6 clips")
        await pilot.press("m")
        await until_shown(pilot, "music-labels-1 made of 6 labels")
        write(music / "jazz" / "new.wav", sweep(2.0, 22_050).astype(np.float32), 22_050)
        screen.open_dataset(music)
        await until_shown(pilot, "7 clips")
        alone = {clip.name: clip.score for clip in table.clips}
        await pilot.press("M")
        await until_shown(pilot, "Choose a second opinion", "music-labels-1", "musicnn")
        await pilot.press("down", "enter")  # below the bundled model
        await until_shown(pilot, "6 of 7 clips are not classified, because the model was trained on them")
        assert [clip.name for clip in table.clips if clip.score != alone[clip.name]] == ["new"]
        await pilot.press("x")
        await until_shown(pilot, "second opinion: music-labels-1", "1 decision")
        await pilot.press("M")
        await until_shown(pilot, "Choose a second opinion")
        await pilot.press("enter")  # the cursor stands on the one in use
        await until(pilot, lambda: {clip.name: clip.score for clip in table.clips} == alone)
        assert sum(clip.decision == EXCLUDED for clip in table.clips) == 1
        await pilot.press("M")
        await until_shown(pilot, "musicnn")
        await pilot.press("end", "up", "up", "enter")  # not in this cache
        await until_shown(pilot, "encoders get musicnn")
        assert {clip.name: clip.score for clip in table.clips} == alone


async def test_a_clip_whose_file_has_gone_is_named_and_can_still_be_decided(here: Path) -> None:
    music = genre_folder(here / "music", {"jazz": 3, "metal": 3}, seconds=2.0)
    app = GenreApp(here / "runs")
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        screen, table = await opened(pilot, music)
        await until_shown(pilot, "6 clips", "sounds like")
        gone = table.clips[2]
        next(music.rglob(f"{gone.name}.*")).unlink()
        await pilot.press("down", "down")
        await until(pilot, lambda: table.current is gone)
        await until_shown(pilot, "no such file")
        await pilot.press("x", "u", "a")
        assert gone.decision == "jazz"
        await until(pilot, lambda: current(read_overlay(here / "labels.csv")) != {})
        assert screen.session.data == music
        await pilot.press("home")
        await until(
            pilot, lambda: screen.session.looked is not None and screen.session.looked.index == table.clips[0].index
        )


async def test_a_folder_without_labels_is_taught(here: Path) -> None:
    music = here / "music"
    music.mkdir()
    rng = np.random.default_rng(0)
    for number in range(12):
        sound = sweep(2.0, 22_050) if number % 2 else rng.normal(0, 0.1, 44_100)
        write(music / f"{number:02d}.wav", np.roll(sound, 500 * number).astype(np.float32), 22_050)
    labels, app = here / "labels.csv", GenreApp(here / "runs")
    async with app.run_test(size=(120, 40)) as pilot:
        _, table = await opened(pilot, music)
        await until_shown(pilot, "12 clips", "teaching")
        for number in range(10):
            clip = table.current
            assert clip is not None and not clip.decision, "what helps most comes first"
            genre = "sweeps" if int(clip.name) % 2 else "noises"
            key = next((key for key, name in app.screen.session.keys.items() if name == genre), None)  # type: ignore[attr-defined]
            await (pilot.press(key) if key else pilot.press("n", *genre, "enter"))
            await until(pilot, lambda clip=clip, n=number: clip is not table.current and table.cursor == 0)  # type: ignore[misc]
        await until_shown(pilot, "out of fold 100.0%", "10 labels")
        rest = [clip for clip in table.clips if not clip.decision]
        assert [clip.suggested for clip in rest] == ["sweeps" if int(clip.name) % 2 else "noises" for clip in rest]
        await pilot.press("m")
        await until_shown(pilot, "music-labels-1 made of 10 labels")
        assert RunFolder(here / "runs/music-labels-1").best_model_path.is_file()
        await pilot.press("t")
        await until(pilot, lambda: isinstance(app.screen, NewRunScreen))
        assert isinstance(app.screen, NewRunScreen)
        assert app.screen.form.label_settings().source == str(labels)
        await until_shown(pilot, "10 clips · 2 genres")


async def test_every_genre_of_the_examples_has_a_key(here: Path) -> None:
    music = genre_folder(here / "music", {"jazz": 3}, seconds=2.0)
    examples = genre_folder(here / "examples", {"jazz": 3, "metal": 3}, seconds=2.0)
    app = GenreApp(here / "runs")
    async with app.run_test(size=(120, 40)) as pilot:
        screen, table = await opened(pilot, music / "jazz")
        await until_shown(pilot, "3 clips", "teaching")
        screen.session.add_examples(examples)
        await until_shown(pilot, "a jazz 0", "e metal 0")
        assert {clip.suggested for clip in table.clips} == {"jazz"}


async def test_a_folder_that_is_not_a_dataset_is_one_sentence(here: Path) -> None:
    (here / "empty").mkdir()
    app = GenreApp(here / "runs")
    async with app.run_test(size=(200, 30)) as pilot:
        await pilot.press("5")
        await until_shown(pilot, "[5 Label]")
        await pilot.press("x", "space", "enter", "u", "p", "m", "s", "V", "escape")  # nothing is open yet
        await opened(pilot, here / "empty")
        sentence = "it should have a folder for each genre"  # wherever it is wrapped
        await until(pilot, lambda: sentence in " ".join(text(pilot).split()), sentence)
        assert "Traceback" not in text(pilot)
    assert not (here / "labels.csv").exists()


def test_a_typed_genre_is_one_that_a_dataset_may_have() -> None:
    for name in ("Drum & Bass", "Hip-Hop/Rap", ""):
        _check_genre(name)
    for name in (EXCLUDED, "../rock", "ro\x1bck", "x" * 201):
        with pytest.raises(UserError, match=r"^This name"):
            _check_genre(name)
