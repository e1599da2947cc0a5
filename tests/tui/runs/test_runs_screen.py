"""The Runs screen, driven by keys, on journals in folders."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot

from core.runs.directory import create, register
from core.runs.folder import TRASH, RunFolder
from core.runs.launch import launch
from core.runs.lock import RunLock
from core.runs.notes import pin, read_notes
from core.runs.queue import HeldTicket
from core.runs.summary import Summary
from tests.support import example_run as made_up_run
from tests.support.paths import ROOT
from tests.support.pilot import text, type_text, until, until_gone, until_shown
from tests.support.pseudo_terminal import wait_until
from tui.app import GenreApp
from tui.runs.columns import is_alive
from tui.runs.table import Group, RunTable
from tui.shell.settings import Settings

SIZE = (120, 40)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Four runs that have ended, each in another way."""
    folder = tmp_path / "runs"
    made_up_run.write_run(folder / "alpha", made_up_run.whole(5))
    made_up_run.write_run(folder / "beta", made_up_run.whole(20))
    made_up_run.write_run(folder / "gamma", made_up_run.failed(3))
    made_up_run.write_run(folder / "delta", made_up_run.midway(7))
    (folder / "delta" / "run.lock").touch()
    return folder


@pytest.fixture
def acting(runs: Path) -> Iterator[RunFolder]:
    """A run with a living trainer that answers requests."""
    run = runs / "acting"
    run.mkdir()
    trainer = subprocess.Popen([sys.executable, "-m", "tests.support.fake_trainer", str(run), "0.5"], cwd=ROOT)
    wait_until(RunFolder(run).is_alive, "the acting trainer")
    yield RunFolder(run)
    trainer.terminate()
    trainer.wait()


def shown_runs(pilot: Pilot[None]) -> list[Summary]:
    return [row for row in pilot.app.screen.query_one(RunTable).rows if isinstance(row, Summary)]


def names(pilot: Pilot[None]) -> list[str]:
    return [row.name for row in shown_runs(pilot)]


async def go_to(pilot: Pilot[None], name: str) -> None:
    table = pilot.app.screen.query_one(RunTable)
    await until(pilot, lambda: name in names(pilot), name)
    await pilot.press("home", *["down"] * names(pilot).index(name))
    await until(pilot, lambda: table.current is not None and table.current.name == name)


async def test_all_runs_with_their_figures(runs: Path) -> None:
    async with GenreApp(runs).run_test(notifications=True, size=(200, 60)) as pilot:
        await until_shown(pilot, "alpha", "✓ finished", "✗ failed", "? lost", "20/20", "7/20", "78.0%")
        assert set(names(pilot)) == {"alpha", "beta", "gamma", "delta"}


async def test_a_place_without_runs_says_what_to_do(tmp_path: Path) -> None:
    async with GenreApp(tmp_path / "none").run_test(notifications=True, size=SIZE) as pilot:
        await until_shown(
            pilot,
            "No runs yet",
            "3  Classify your music now",
            "n  Train on your music",
            "g  No music at hand?",
            "?  Show all keys",
        )
        made_up_run.write_run(tmp_path / "none" / "first", made_up_run.whole(2))
        await until_gone(pilot, "No runs yet")
        await until_shown(pilot, "first")
        await until(pilot, lambda: pilot.app.focused is pilot.app.screen.query_one(RunTable), "the focus")
        await pilot.press("d")
        await until_shown(pilot, "Delete first?")


async def test_without_runs_the_first_steps_have_their_keys_after_a_look_elsewhere(tmp_path: Path) -> None:
    async with GenreApp(tmp_path / "none").run_test(notifications=True, size=SIZE) as pilot:
        await until_shown(pilot, "What to do next")
        await pilot.press("4")
        await until_shown(pilot, "[4 Listen]")
        await pilot.press("1")
        await until_shown(pilot, "g demo data")
        assert "watch  " not in text(pilot).splitlines()[-1]
        await pilot.press("tab", "g")
        await until_shown(pilot, "Create a demo dataset")


async def test_without_runs_here_those_of_other_folders_are_offered(runs: Path, tmp_path: Path) -> None:
    register(RunFolder(runs / "alpha"))
    async with GenreApp(tmp_path / "none").run_test(notifications=True, size=SIZE) as pilot:
        await until_shown(pilot, "f  Show the 1 run of other folders.")
        await pilot.press("f")
        await until_shown(pilot, "alpha")


async def test_the_last_run_goes_and_another_comes(tmp_path: Path) -> None:
    made_up_run.write_run(tmp_path / "runs" / "only", made_up_run.whole(2))
    async with GenreApp(tmp_path / "runs").run_test(notifications=True, size=SIZE) as pilot:
        await go_to(pilot, "only")
        await pilot.press("d")
        await until_shown(pilot, "Delete only?")
        await pilot.press("y")
        await until_shown(pilot, "No runs yet")
        await pilot.press("s", "y", "x")  # into nothing, and into no hidden field
        made_up_run.write_run(tmp_path / "runs" / "next", made_up_run.whole(2))
        await go_to(pilot, "next")


async def test_it_lives(runs: Path, acting: RunFolder) -> None:
    async with GenreApp(runs).run_test(notifications=True, size=SIZE) as pilot:
        await until_shown(pilot, "● running")
        await until(
            pilot,
            lambda: any(row.epochs_done > 1 for row in shown_runs(pilot) if is_alive(row)),
        )
        shutil.rmtree(runs / "alpha")
        await until(pilot, lambda: "alpha" not in names(pilot))


async def test_the_cursor_stays_on_its_run_when_others_come(runs: Path) -> None:
    async with GenreApp(runs, settings=Settings(sort="name", descending=False)).run_test(
        notifications=True, size=SIZE
    ) as pilot:
        await go_to(pilot, "beta")
        made_up_run.write_run(runs / "aaa", made_up_run.whole(2))
        await until(pilot, lambda: "aaa" in names(pilot))
        current = pilot.app.screen.query_one(RunTable).current
        assert current is not None
        assert current.name == "beta"


async def test_sorting_by_any_column(runs: Path) -> None:
    app = GenreApp(runs, settings=Settings(sort="name", descending=False))
    async with app.run_test(notifications=True, size=(200, 60)) as pilot:
        await until(pilot, lambda: names(pilot) == ["alpha", "beta", "delta", "gamma"])
        await pilot.press("R")
        assert names(pilot) == ["gamma", "delta", "beta", "alpha"]
        await until_shown(pilot, "run▼")
        await pilot.press(*">>>>")
        await until_shown(pilot, "epochs▼")
        assert names(pilot)[-1] in {"gamma", "delta"}
        assert set(names(pilot)[:2]) == {"alpha", "beta"}


async def test_a_click_on_a_title_sorts(runs: Path) -> None:
    async with GenreApp(runs).run_test(notifications=True, size=SIZE) as pilot:
        await until_shown(pilot, "started▼")
        for title in ("run▼", "run▲"):
            await pilot.click("RunTableHeader", offset=(text(pilot).splitlines()[2].index("run"), 0))
            await until_shown(pilot, title)


async def test_filtering_as_one_types(runs: Path) -> None:
    async with GenreApp(runs).run_test(notifications=True, size=SIZE) as pilot:
        await until(pilot, lambda: len(names(pilot)) == 4)
        await pilot.press("/")
        await type_text(pilot, "finished")
        await until(pilot, lambda: set(names(pilot)) == {"alpha", "beta"})
        await until_shown(pilot, "runs  2 of 4")
        await type_text(pilot, " epochs")
        await until(pilot, lambda: names(pilot) == [])
        await until_shown(pilot, "No run matches.")
        await type_text(pilot, ">")
        await until_shown(pilot, "epochs> needs a value")
        await type_text(pilot, "10")
        await until(pilot, lambda: names(pilot) == ["beta"])
        await pilot.press("enter")
        assert pilot.app.focused is pilot.app.screen.query_one(RunTable)
        await pilot.press("escape")
        await until(pilot, lambda: len(names(pilot)) == 4)


async def test_the_columns_and_the_order_are_kept(runs: Path) -> None:
    async with GenreApp(runs).run_test(size=SIZE) as pilot:
        await until_shown(pilot, "val curve", "started▼")
        await pilot.press("C", *["down"] * 2, "space", *["down"] * 9, "enter", "escape", "R")
        await until_shown(pilot, "lr", "started▲")
        await until_gone(pilot, "val curve ")
    async with GenreApp(runs).run_test(size=SIZE) as pilot:
        await until_shown(pilot, "lr", "started▲")


async def test_a_chosen_column_without_room_is_said_to_have_none(runs: Path) -> None:
    async with GenreApp(runs).run_test(notifications=True, size=(200, 60)) as pilot:
        await until_shown(pilot, "alpha")
        await pilot.press("C")
        await until_shown(pilot, "how long it trained")
        assert "no room now" not in text(pilot)
        await pilot.resize_terminal(120, 40)
        await pilot.press("end", "enter")
        await until_shown(pilot, "no room now")


async def test_the_detail_is_where_there_is_room_for_it(runs: Path) -> None:
    async with GenreApp(runs).run_test(size=SIZE) as pilot:
        await go_to(pilot, "beta")
        await until_shown(pilot, "recipe        seed", "validation, epoch", "Accuracy", "device        NVIDIA H100")
        await pilot.resize_terminal(80, 24)
        await until_gone(pilot, "device  ")
        await pilot.press("enter")
        await until_shown(pilot, "╭─ beta ", "device        NVIDIA H100")
        await pilot.press("escape")
        await until_shown(pilot, "╭─ runs  4")
        await pilot.press("enter", "enter")
        await until(pilot, lambda: pilot.app.current_mode == "watch")


async def test_the_detail_compares_to_the_baseline(runs: Path) -> None:
    pin(RunFolder(runs / "alpha"))
    async with GenreApp(runs).run_test(size=SIZE) as pilot:
        await go_to(pilot, "beta")
        await until_shown(pilot, "+0.0 points of test accuracy")
        await go_to(pilot, "alpha")
        await until_shown(pilot, "this is the baseline ★", "★ alpha")


async def test_seeds_of_a_recipe_are_grouped_by_a_key(runs: Path) -> None:
    async with GenreApp(runs).run_test(size=SIZE) as pilot:
        await until(pilot, lambda: len(names(pilot)) == 4)
        assert "runs of seed" not in text(pilot)
        await pilot.press("S")
        await until_shown(pilot, "runs of seed, seed_cnn", " ± ")
        table = pilot.app.screen.query_one(RunTable)
        group = next(row for row in table.rows if isinstance(row, Group))
        table.toggle_mark(Path(group.runs[1].path))
        table._move_cursor(table.rows.index(group))
        await pilot.press("space")
        assert {str(path) for path in table.marked} == {run.path for run in group.runs}
        await pilot.press("space")
        assert not table.marked


async def test_opening_a_run_watches_it(runs: Path) -> None:
    async with GenreApp(runs).run_test(notifications=True, size=SIZE) as pilot:
        await go_to(pilot, "beta")
        await pilot.press("enter")
        await until(pilot, lambda: pilot.app.current_mode == "watch")


async def test_deleting_asks_and_moves_to_the_trash(runs: Path) -> None:
    async with GenreApp(runs).run_test(notifications=True, size=SIZE) as pilot:
        await go_to(pilot, "gamma")
        await pilot.press("d")
        await until_shown(pilot, "Delete gamma?")
        await pilot.press("n")
        await until_gone(pilot, "Delete gamma?")
        assert (runs / "gamma").is_dir()
        await pilot.press("d")
        await until_shown(pilot, "Delete gamma?")
        await pilot.press("y")
        await until(pilot, lambda: "gamma" not in names(pilot))
        assert (runs / TRASH / "gamma" / "events.jsonl").is_file()


async def test_a_running_run_can_be_neither_deleted_nor_renamed(runs: Path, acting: RunFolder) -> None:
    async with GenreApp(runs).run_test(notifications=True, size=SIZE) as pilot:
        await go_to(pilot, "acting")
        await until_shown(pilot, "● running")
        await pilot.press("d")
        await until_shown(pilot, "acting is running: stop it first (s).")
        await pilot.press("f2")
        await pilot.pause()
        assert len(pilot.app.screen_stack) == 1


async def test_a_run_that_begins_behind_the_question_is_not_deleted(runs: Path) -> None:
    async with GenreApp(runs).run_test(notifications=True, size=SIZE) as pilot:
        await go_to(pilot, "alpha")
        await pilot.press("d")
        await until_shown(pilot, "Delete alpha?")
        with RunLock(runs / "alpha" / "run.lock"):
            await pilot.press("y")
            await until_shown(pilot, "is running")
        assert (runs / "alpha").is_dir()


async def test_renaming(runs: Path) -> None:
    async with GenreApp(runs).run_test(notifications=True, size=SIZE) as pilot:
        await go_to(pilot, "alpha")
        await pilot.press("f2")
        await until_shown(pilot, "New name of the run")
        await pilot.press("ctrl+u")
        await type_text(pilot, "../out")
        await pilot.press("enter")
        await until_shown(pilot, "cannot be a run's name")
        await pilot.press("ctrl+u")
        await type_text(pilot, "first-try")
        await pilot.press("enter")
        await until(pilot, lambda: "first-try" in names(pilot))
        assert (runs / "first-try" / "events.jsonl").is_file()


async def test_requests_are_answered_by_the_trainer(runs: Path, acting: RunFolder) -> None:
    async with GenreApp(runs).run_test(notifications=True, size=SIZE) as pilot:
        await go_to(pilot, "acting")
        await pilot.press("p")
        await until_shown(pilot, "◆ paused")
        await pilot.press("p")
        await until_shown(pilot, "● running")
        await pilot.press("e")
        await until_shown(pilot, "of 20 epochs done")
        await pilot.press("ctrl+u")
        await type_text(pilot, "33")
        await pilot.press("enter")
        await until_shown(pilot, "/33")
        await pilot.press("s")
        await until_shown(pilot, "Stop acting?")
        await pilot.press("y")
        await until_shown(pilot, "■ stopped")


async def test_only_what_makes_sense_is_offered(runs: Path) -> None:
    async with GenreApp(runs).run_test(notifications=True, size=(200, 60)) as pilot:
        await go_to(pilot, "alpha")
        await until(pilot, lambda: "delete" in text(pilot).splitlines()[-1])
        assert " stop " not in text(pilot).splitlines()[-1]
        assert " resume " not in text(pilot).splitlines()[-1]
        await go_to(pilot, "gamma")
        await until(pilot, lambda: " resume " in text(pilot).splitlines()[-1])


async def test_copying_shows_the_path_as_well(runs: Path) -> None:
    async with GenreApp(runs).run_test(notifications=True, size=SIZE) as pilot:
        await go_to(pilot, "beta")
        await pilot.press("y")
        await until_shown(pilot, "Copied, if your terminal allows it")
        assert pilot.app.clipboard == str(runs / "beta")
        assert "runs/beta" in text(pilot)


async def test_names_with_brackets_are_plain_text(runs: Path) -> None:
    (runs / "alpha").rename(runs / "a[red]b")
    async with GenreApp(runs).run_test(notifications=True, size=SIZE) as pilot:
        await go_to(pilot, "a[red]b")
        await until_shown(pilot, "✓ finished a[red]b", "runs/a[red]b")
        await pilot.press("y")
        await until_shown(pilot, "Copied, if your terminal allows it")
        await pilot.press("d")
        await until_shown(pilot, "Delete a[red]b?")
        await pilot.press("y")
        await until(pilot, lambda: "a[red]b" not in names(pilot))


async def test_marking_for_a_comparison(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[list[str]] = []

    async def compare_runs(self: GenreApp, paths: list[Path]) -> None:
        compared.append([path.name for path in paths])

    monkeypatch.setattr(GenreApp, "compare_runs", compare_runs)
    for number in range(8):
        made_up_run.write_run(runs / f"more-{number}", made_up_run.whole(2))
    async with GenreApp(runs).run_test(notifications=True, size=SIZE) as pilot:
        await go_to(pilot, "beta")
        await pilot.press("space", "c")
        await until_shown(pilot, "Mark two to eight runs")
        await go_to(pilot, "alpha")
        await pilot.press("space", "c")
        await until(pilot, lambda: compared == [["beta", "alpha"]])
        for number in range(7):
            await go_to(pilot, f"more-{number}")
            await pilot.press("space")
        await until_shown(pilot, "At most 8 runs can be compared")
        assert len(pilot.app.screen.query_one(RunTable).marked) == 8
        await pilot.press("escape")
        assert pilot.app.screen.query_one(RunTable).marked == []


async def test_the_preview_tells_what_failed(runs: Path) -> None:
    async with GenreApp(runs).run_test(notifications=True, size=SIZE) as pilot:
        await go_to(pilot, "gamma")
        await until_shown(pilot, "failed        OutOfMemoryError")


async def test_a_run_is_tagged_noted_and_pinned(runs: Path) -> None:
    run = RunFolder(runs / "beta")
    async with GenreApp(runs).run_test(notifications=True, size=SIZE) as pilot:
        await go_to(pilot, "beta")
        await pilot.press("t")
        await until_shown(pilot, "Tags, separated by spaces")
        await type_text(pilot, "a,b")
        await pilot.press("enter")
        await until_shown(pilot, "cannot be a tag")
        await pilot.press(*["backspace"] * 3)
        await type_text(pilot, "paper mixup")
        await pilot.press("enter")
        await until(pilot, lambda: read_notes(run).tags == ["mixup", "paper"])
        await pilot.press("i")
        await until_shown(pilot, "Note")
        await type_text(pilot, "as before")
        await pilot.press("enter")
        await until(pilot, lambda: read_notes(run).note == "as before")
        await pilot.press("b")
        await until(pilot, lambda: read_notes(run).pinned > 0)
        await until(pilot, lambda: any(row.pinned for row in shown_runs(pilot)))
        await pilot.press("b")
        await until(pilot, lambda: read_notes(run).pinned == 0)


async def test_the_runs_of_all_folders_are_shown_by_a_key(runs: Path, tmp_path: Path) -> None:
    register(RunFolder(made_up_run.write_run(tmp_path / "elsewhere" / "far", made_up_run.whole(5))))
    async with GenreApp(runs).run_test(notifications=True, size=SIZE) as pilot:
        await until(pilot, lambda: set(names(pilot)) == {"alpha", "beta", "gamma", "delta"})
        await pilot.press("f")
        await until(pilot, lambda: "far" in names(pilot))
        await pilot.press("f")
        await until(pilot, lambda: "far" not in names(pilot))


async def test_a_queued_run_shows_its_place_and_is_moved_and_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    recipe = {"data": "/music", "model": "small_cnn", "epochs": 3, "device": "cpu"}
    device = HeldTicket.take(["cpu"], running=True)
    queued = [create(tmp_path / "runs", recipe, "music", "quick", name=name) for name in ("one", "two")]
    for run in queued:
        launch(run, module="tests.support.light_trainer", queue=True)
    try:
        async with GenreApp(tmp_path / "runs").run_test(notifications=True, size=SIZE) as pilot:
            await until_shown(pilot, "queued 1", "queued 2")
            await go_to(pilot, "two")
            await pilot.press("shift+up")
            await until(pilot, lambda: queued[1].state().place == 1)
            await until(pilot, lambda: queued[0].state().place == 2)
            await until(
                pilot, lambda: (row := pilot.app.screen.query_one(RunTable).current) is not None and row.place == 1
            )
            await pilot.press("shift+down")
            await until(pilot, lambda: queued[1].state().place == 2)
            await pilot.press("s")
            await until_shown(pilot, "Stop two?")
            await pilot.press("y")
            await until(pilot, lambda: queued[1].state().status == "stopped")
    finally:
        device.release()
    wait_until(lambda: not queued[0].is_alive(), "the other ends")
    assert queued[0].state().status == "finished"
