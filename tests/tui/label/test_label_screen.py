"""The Label screen with the real process behind it."""

from pathlib import Path

import pytest

from core.dataset.scan import survey
from core.dataset.labels.decisions import EXCLUDED, labels_with, read_overlay
from core.dataset.labels.decisions import current as current_decisions
from tests.support.folders import genre_folder
from tests.support.pilot import text, until, until_shown
from tui.app import GenreApp
from tui.label.screen import LabelScreen
from tui.label.table import ClipTable


@pytest.fixture
def music(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GENRE_TUI_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return genre_folder(tmp_path / "music", {"jazz": 3, "metal": 3}, seconds=2.0)


async def test_decisions_by_key_are_kept_and_taken_back(tmp_path: Path, music: Path) -> None:
    app = GenreApp(tmp_path / "runs")
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("5")
        await until_shown(pilot, "[5 Label]", "Press O and choose")
        screen, table = app.screen, app.screen.query_one(ClipTable)
        assert isinstance(screen, LabelScreen)
        screen.open_dataset(music)
        await until_shown(pilot, "6 clips", "sounds like", "a jazz", "b metal")
        rows = list(table.rows)
        assert [row.doubt for row in rows] == sorted((row.doubt for row in rows), reverse=True)
        await pilot.press("b", "x", "space", "enter")
        expected = {
            rows[0].place: "metal",
            rows[1].place: EXCLUDED,
            rows[2].place: rows[2].label,
            rows[3].place: rows[3].suggested,
        }
        assert table.decisions == expected
        assert table.cursor == 4
        labels = tmp_path / "labels.csv"
        await until(pilot, lambda: labels.exists() and len(read_overlay(labels)) == 4)
        assert [decision.who for decision in read_overlay(labels)] == ["key", "key", "key", "suggestion"]
        await pilot.press("n", *"punk", "enter")
        await until_shown(pilot, "c punk", "5 decisions")
        await pilot.press("u", "u")
        await until_shown(pilot, "3 decisions")
        await until(pilot, lambda: len(read_overlay(labels)) == 7)
    found = survey(music)
    kept = labels_with(found.clips, found.root, current_decisions(read_overlay(labels)))
    assert kept[rows[0].place] == "metal" and kept[rows[1].place] is None
    assert kept[rows[3].place] == rows[3].label and kept[rows[4].place] == rows[4].label
    again = GenreApp(tmp_path / "runs")
    async with again.run_test(size=(80, 24)) as pilot:
        await pilot.press("5")
        await until_shown(pilot, "[5 Label]")
        screen = again.screen
        assert isinstance(screen, LabelScreen)
        screen.open_dataset(music)
        await until_shown(pilot, "6 clips", EXCLUDED)
        decisions = screen.query_one(ClipTable).decisions
        assert {place: decisions[place] for place in (rows[0].place, rows[1].place)} == {
            rows[0].place: "metal",
            rows[1].place: EXCLUDED,
        }


async def test_a_folder_that_is_not_a_dataset_is_one_sentence(tmp_path: Path, music: Path) -> None:
    (tmp_path / "empty").mkdir()
    app = GenreApp(tmp_path / "runs")
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("5")
        await until_shown(pilot, "[5 Label]")
        screen = app.screen
        assert isinstance(screen, LabelScreen)
        await pilot.press("x", "space", "enter", "u", "p")  # nothing is open yet
        screen.open_dataset(tmp_path / "empty")
        await until_shown(pilot, "✗", "have a folder for each genre")
        assert "Traceback" not in text(pilot)
    assert not (tmp_path / "labels.csv").exists()
