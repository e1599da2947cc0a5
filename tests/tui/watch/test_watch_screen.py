"""The Watch screen at work: what keys do, what grows, what is kept."""

import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from textual.pilot import Pilot

from core.runs import folder
from core.runs.folder import RunReader
from core.runs.journal import events as ev
from core.runs.lock import RunLock
from tests.support import example_run as made_up_run
from tests.support.pilot import PATIENCE, text, until, until_gone, until_shown
from tui.app import GenreApp
from tui.charts.curves import Curves
from tui.shell.settings import Settings
from tui.shell.themes import DARK, LIGHT
from tui.watch.row_panes import EpochRows, LogPane
from tui.watch.screen import WatchScreen

SIZE = (120, 40)
SMALL = (80, 24)
SMOOTH = ("o", "down", "down", "enter", "escape")
STEPS = ("o", "down", "down", "down", "enter", "escape")


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def running(runs: Path) -> Iterator[Path]:
    """A run at work whose trainer is this process."""
    folder = made_up_run.write_run(runs / "alpha", made_up_run.midway())
    with RunLock(folder / "run.lock"):
        yield folder


def app_on(run: Path, **more: object) -> GenreApp:
    return GenreApp(run.parent, watch=run, **more)  # type: ignore[arg-type]


def curves(pilot: Pilot[None]) -> Curves:
    return pilot.app.screen.query_one(Curves)


def rows(pilot: Pilot[None]) -> EpochRows:
    return pilot.app.screen.query_one(EpochRows)


async def test_all_of_a_running_run_is_in_view(running: Path) -> None:
    async with app_on(running).run_test(size=SIZE) as pilot:
        await until_shown(pilot, "● running", "epoch 8/20", "Loss", "Accuracy", "train 31/50 · 1,840 clips/s")
        await until_shown(pilot, "★     7", "[genres]", "3 of 10 classical predicted as country", "best model saved")


async def test_lines_fit_the_width_that_their_pane_gets(runs: Path) -> None:
    """Though nothing new comes: the trainer is gone."""
    lost = made_up_run.write_run(runs / "lost", made_up_run.midway())
    async with app_on(lost).run_test(size=SIZE) as pilot:
        await until_shown(pilot, "classical ")
        epochs = pilot.app.screen.query_one("#epochs")
        epochs.styles.max_width = epochs.styles.width = 92
        await until_shown(pilot, "clas…cal ")
        epochs.styles.width = 70
        await until_shown(pilot, "classical ")


async def test_new_epochs_come_into_view_and_the_tail_is_followed(running: Path) -> None:
    async with app_on(running).run_test(size=SIZE) as pilot:
        await until_shown(pilot, "epoch 8/20")
        made_up_run.append(running, list(made_up_run.epochs(8, 9)))
        await until(pilot, lambda: len(rows(pilot).history) == 9)
        assert rows(pilot).cursor == 8
        await until_shown(pilot, "9      0.4122")


async def test_the_tail_is_not_followed_while_the_cursor_is_elsewhere(running: Path) -> None:
    made_up_run.append(running, list(made_up_run.epochs(8, 40)))
    async with app_on(running).run_test(size=SIZE) as pilot:
        await until(pilot, lambda: len(rows(pilot).history) == 40)
        await pilot.press("tab", "home")
        await until(pilot, lambda: rows(pilot).cursor == 0)
        log = pilot.app.screen.query_one(LogPane)
        top = log.top
        assert top > 0
        made_up_run.append(running, list(made_up_run.epochs(41, 41)))
        await until(pilot, lambda: len(rows(pilot).history) == 41)
        assert (rows(pilot).cursor, rows(pilot).top) == (0, 0)
        assert log.top > top  # nobody scrolled in the log, so it follows
        await pilot.press("end")
        made_up_run.append(running, list(made_up_run.epochs(42, 42)))
        await until(pilot, lambda: rows(pilot).cursor == 41)


async def test_the_cursor_reads_values_and_follows_again_beyond_the_end(running: Path) -> None:
    async with app_on(running).run_test(size=SIZE) as pilot:
        await until_shown(pilot, "train 0.5855", "val 1.1985")
        await pilot.press("left", "left")
        await until_shown(pilot, "Loss epoch 6", "train 0.7244", "val 1.3634", "train 71.8%")
        await pilot.press("right", "right")
        await until_shown(pilot, "train 0.5855")
        await until_gone(pilot, "Loss epoch")


async def test_a_selected_range_is_zoomed_to_and_left_again(running: Path) -> None:
    async with app_on(running).run_test(size=SIZE) as pilot:
        await until_shown(pilot, "train 0.5855")
        await pilot.press("left", "left", "shift+left", "shift+left")
        await until_shown(pilot, "Loss epoch 4–6")
        await pilot.press("z")
        await until(pilot, lambda: curves(pilot).view.zoom == (4, 6))
        await pilot.press("escape")
        assert curves(pilot).view.zoom is None


async def test_a_click_on_the_chart_and_enter_on_an_epoch_put_the_cursor(running: Path) -> None:
    async with app_on(running).run_test(size=SIZE) as pilot:
        await until_shown(pilot, "train 0.5855")
        await pilot.click("#left", offset=(6, 4))
        await until_shown(pilot, "Loss epoch 1")
        await pilot.press("tab", "down", "down", "down", "down", "enter")
        await until_shown(pilot, "Loss epoch 5")


async def test_scale_smoothing_and_axis_are_kept_for_the_run_and_no_other(running: Path, runs: Path) -> None:
    other = made_up_run.write_run(runs / "beta", made_up_run.whole())
    async with app_on(running).run_test(size=SIZE) as pilot:
        await until_shown(pilot, "train 0.5855")
        await pilot.press("l", *SMOOTH, *STEPS, "tab", "tab", "tab")
        await until_shown(pilot, "Loss log", "smooth 0.5", "[confusion]")
        assert curves(pilot).steps
    async with app_on(running).run_test(size=SIZE) as pilot:
        await until_shown(pilot, "Loss log", "smooth 0.5", "[confusion]")
        assert curves(pilot).steps
        await pilot.app.watch_run(other)  # type: ignore[attr-defined]
        await until_shown(pilot, "✓ finished", "[report]")
        assert "Loss log" not in text(pilot)


async def test_epochs_genres_and_confusion_show_the_epoch_under_the_cursor(running: Path) -> None:
    async with app_on(running).run_test(size=SIZE) as pilot:
        await until_shown(pilot, "train 0.5855", "validation, epoch 7")
        await pilot.press("left", "left", "left")
        await until_shown(pilot, "Loss epoch 5", "validation, epoch 5")
        assert rows(pilot).cursor == 4
        await pilot.press("escape")
        await until_shown(pilot, "validation, epoch 7")
        assert rows(pilot).cursor == 6


async def test_brackets_turn_through_further_charts(running: Path) -> None:
    async with app_on(running).run_test(size=SIZE) as pilot:
        await until_shown(pilot, "train 0.5855")
        await pilot.press("]")
        await until_shown(pilot, "Learning rate", "Gradient norm")
        await pilot.press(*STEPS, "]")
        await until_shown(pilot, "Clips per second", "CPU", "104%")
        await pilot.press("[", "[", "[")
        await until_shown(pilot, "GPU memory", "1.9 GB")


async def test_a_run_that_is_watched_first_begins_as_the_settings_say(running: Path) -> None:
    async with app_on(running, settings=Settings(log_loss=True, smoothing=0.8)).run_test(size=SIZE) as pilot:
        await until_shown(pilot, "Loss log smooth 0.8")


async def test_every_pane_has_its_tab_on_a_small_terminal(running: Path) -> None:
    expected = {
        "charts": "Accuracy",
        "epochs": "train loss",
        "genres": "predicted as",
        "confusion": "clas",
        "mistakes": "Available after the test",
        "report": "Available after the test",
        "setup": "999 clips",
        "log": "best model saved",
    }
    async with app_on(running).run_test(size=SMALL) as pilot:
        await until_shown(pilot, "epoch 8/20")
        for pane, part in expected.items():
            await until_shown(pilot, f"[{pane}]", part)
            frame = text(pilot).splitlines()
            top = next(y for y, line in enumerate(frame) if f"[{pane}]" in line)
            assert frame[top + 1].startswith("│")  # the panel follows its tabs
            await pilot.press("tab")
        await until_shown(pilot, "[charts]")
        await pilot.click("#tabs", offset=(12, 0))
        await until_shown(pilot, "[epochs]")


async def test_the_clip_that_was_got_wrong_opens_in_classify(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[tuple[list[Path], Path]] = []

    async def classify_paths(self: GenreApp, paths: list[Path], model: Path) -> None:
        opened.append((paths, model))

    monkeypatch.setattr(GenreApp, "classify_paths", classify_paths)
    clip = runs.parent / "genres" / "pop" / "pop.00001.au"
    clip.parent.mkdir(parents=True)
    clip.write_bytes(b"sound")
    test = made_up_run.tested(3)
    surest = ev.Misclassified(path="pop/pop.00001.au", genre="pop", predicted="metal", probability=0.99)
    start = made_up_run.run_started(3)
    start = msgspec.structs.replace(start, recipe={**start.recipe, "data": str(clip.parents[1])})
    test = msgspec.structs.replace(test, misclassified=[*test.misclassified, surest])
    run = made_up_run.write_run(runs / "alpha", [start, *made_up_run.whole(3)[1:-4], test])
    async with app_on(run).run_test(size=SIZE) as pilot:
        await until_shown(pilot, "test 78.0%")
        while "[mistakes]" not in text(pilot):
            await pilot.press("tab")
        await until_shown(pilot, "pop.00001.au", "pop       → metal      99%")
        await pilot.press("enter")
        await until(pilot, lambda: opened == [([clip], run / "best_model.pth")])


async def test_a_clip_whose_audio_is_gone_says_so(runs: Path) -> None:
    run = made_up_run.write_run(runs / "alpha", made_up_run.whole(3))
    async with app_on(run).run_test(size=SIZE, notifications=True) as pilot:
        await until_shown(pilot, "test 78.0%")
        while "[mistakes]" not in text(pilot):
            await pilot.press("tab")
        await pilot.press("enter")
        await until_shown(pilot, "There is no file")


async def test_after_a_failure_the_log_has_the_whole_traceback(runs: Path) -> None:
    run = made_up_run.write_run(runs / "alpha", made_up_run.failed())
    async with app_on(run).run_test(size=SIZE) as pilot:
        await until_shown(pilot, "✗ failed", "torch.OutOfMemoryError: CUDA out of memory")
        pilot.app.screen.query_one(LogPane).focus()
        seen = text(pilot)
        while "Traceback (most recent call last)" not in seen.splitlines()[-8] and "run started" not in text(pilot):
            await pilot.press("up")
            seen += text(pilot)
        for number in range(40, 52):
            assert f"line {number}, in step_{number}" in seen


async def test_the_setup_is_in_view_before_training_begins(runs: Path) -> None:
    run = made_up_run.write_run(runs / "alpha", made_up_run.beginning(20)[:3])
    with RunLock(run / "run.lock"):
        async with app_on(run).run_test(size=SIZE) as pilot:
            await until_shown(pilot, "[setup]", "999 clips", "jazz/jazz.00054.wav", "Available after the first epoch.")
            await until_shown(pilot, "features 999/999 · 640 from the store")
            made_up_run.append(run, list(made_up_run.epochs(1, 1)))
            await until_shown(pilot, "[genres]", "6 of 10 hiphop predicted as jazz")


async def test_history_and_charts_are_written_where_it_says(running: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(running.parents[1])
    async with app_on(running).run_test(size=SIZE, notifications=True) as pilot:
        await until_shown(pilot, "train 0.5855")
        await pilot.press("w")
        folder = Path("exports") / "alpha"
        await until_shown(pilot, "Written", "history.csv, history.json, loss.svg, accuracy.svg", "exports/alpha")
        assert len((folder / "history.csv").read_text().splitlines()) == 8
        assert [row["epoch"] for row in msgspec.json.decode((folder / "history.json").read_bytes())] == list(
            range(1, 8)
        )
        assert "<path" in (folder / "loss.svg").read_text()


async def test_nothing_can_be_written_to_a_folder_that_forbids_it(
    running: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(running.parents[1])
    Path("exports").write_text("a file where the folder should be")
    async with app_on(running).run_test(size=SIZE, notifications=True) as pilot:
        await until_shown(pilot, "train 0.5855")
        await pilot.press("w")
        await until_shown(pilot, "The export could not be written")


@pytest.mark.parametrize("asked", [True, False])
async def test_the_bell_rings_once_when_the_run_in_view_ends_and_only_if_asked(running: Path, asked: bool) -> None:
    rung: list[int] = []
    app = app_on(running, settings=Settings(bell=asked))
    app.bell = lambda: rung.append(1)  # type: ignore[method-assign]
    async with app.run_test(size=SIZE) as pilot:
        await until_shown(pilot, "running")
        await until(pilot, lambda: app._live_runs.state_of(None) is not None)
        made_up_run.append(running, [ev.RunFinished(seconds=1, best_epoch=7, best_val_accuracy=0.64)])
        await until_shown(pilot, "finished")
        made_up_run.append(running, [ev.Warned(message="one more word")])
        await until_shown(pilot, "one more word")
        await until(pilot, lambda: app._live_runs.state_of(None).end is not None)  # type: ignore[union-attr]
        app._poll_live_runs()
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()
    assert len(rung) == int(asked)


async def test_a_run_that_ended_before_it_came_into_view_rings_no_bell(runs: Path) -> None:
    run = made_up_run.write_run(runs / "alpha", made_up_run.whole())
    rung: list[int] = []
    app = app_on(run, settings=Settings(bell=True))
    app.bell = lambda: rung.append(1)  # type: ignore[method-assign]
    async with app.run_test(size=SIZE) as pilot:
        await until_shown(pilot, "✓ finished")
    assert not rung


async def test_the_run_under_the_cursor_is_watched_until_one_is_chosen(runs: Path) -> None:
    for name in ("alpha", "beta"):
        made_up_run.write_run(runs / name, made_up_run.whole(5))
    async with GenreApp(runs).run_test(size=SIZE) as pilot:
        await until_shown(pilot, "alpha", "beta")
        await pilot.press("2")
        await until_shown(pilot, "[2 Watch]", "epoch 5/5")


async def test_without_a_run_the_screen_says_what_to_do(tmp_path: Path) -> None:
    async with GenreApp(tmp_path / "runs").run_test(size=SIZE) as pilot:
        await pilot.press("2")
        await until_shown(pilot, "No run is selected. Choose one on the Runs screen (1)")
        for key in ("p", "s", "e", "r", "l", "m", "x", "z", "w", "tab", "left", "escape"):
            await pilot.press(key)
        await until_shown(pilot, "No run is selected")


async def test_any_size_and_back(running: Path) -> None:
    async with app_on(running).run_test(size=SIZE) as pilot:
        await until_shown(pilot, "epoch 8/20")
        for size in ((20, 5), (200, 60), (7, 2), (80, 24), (1, 1), (300, 9), (30, 80)):
            await pilot.resize_terminal(*size)
            await pilot.press("tab", "down", "left")
        await pilot.resize_terminal(*SIZE)
        await until_shown(pilot, "● running", "epoch 8/20", "Loss", "Accuracy", "train 31/50")


async def test_a_long_run_is_attached_to_whole(runs: Path) -> None:
    run = made_up_run.write_run(runs / "alpha", [*made_up_run.beginning(3000), *made_up_run.epochs(1, 3000)])
    async with app_on(run).run_test(size=SIZE) as pilot:
        await until(pilot, lambda: len(rows(pilot).history) == 3000)
        await until_shown(pilot, "  3000  ", "1k", "2k", "3k")
        await pilot.press("tab", "home")
        await until(pilot, lambda: rows(pilot).top == 0)
        assert "1      1.8366" in text(pilot)


async def test_values_that_are_not_finite_are_gaps_and_dashes(runs: Path) -> None:
    broken = [
        msgspec.structs.replace(event, train_loss=float("nan"), val_loss=float("inf"))
        if isinstance(event, ev.EpochFinished) and event.epoch in (3, 7)
        else event
        for event in made_up_run.midway()
    ]
    run = made_up_run.write_run(runs / "alpha", broken)
    async with app_on(run).run_test(size=SIZE) as pilot:
        await until_shown(pilot, "train –", "val –", "train 76.0%")
        await pilot.press("l", *SMOOTH, "left", "left")
        await until_shown(pilot, "train 0.7244")


async def test_a_journal_that_cannot_be_read_for_a_while_is_said_and_read_on(
    running: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(self: RunReader) -> bool:
        raise OSError(5, "Input/output error")

    async with app_on(running).run_test(size=SIZE) as pilot:
        await until_shown(pilot, "epoch 8/20")
        with monkeypatch.context() as patch:
            patch.setattr(RunReader, "poll", away)
            await until_shown(pilot, "! The journal cannot be read: Input/output error", "epoch 8/20")
        made_up_run.append(running, list(made_up_run.epochs(8, 9)))
        await until(pilot, lambda: len(rows(pilot).history) == 9)


async def test_another_theme_reaches_every_cell(runs: Path) -> None:
    run = made_up_run.write_run(runs / "alpha", made_up_run.whole())
    async with app_on(run, settings=Settings(theme="dark")).run_test(size=(200, 60)) as pilot:
        await until_shown(pilot, "train 0.1065", "confusion")
        pilot.app.theme = "light"
        await until(pilot, lambda: LIGHT.train in pilot.app.export_screenshot())
        picture = pilot.app.export_screenshot()
        assert not any(colour in picture for colour in (DARK.train, DARK.val, DARK.faint, DARK.good))


async def test_a_long_journal_is_shown_before_its_curves_over_steps_are_read(
    running: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "WORTHWHILE", 1)
    may_poll, poll = threading.Event(), RunReader.poll

    def slow_poll(reader: RunReader) -> bool:
        if not reader._journal._skip:
            may_poll.wait(PATIENCE)
        return poll(reader)

    monkeypatch.setattr(RunReader, "poll", slow_poll)
    async with app_on(running).run_test(size=SIZE) as pilot:
        await until_shown(pilot, "epoch 8/20")
        await until(pilot, lambda: len(rows(pilot).history) == 7)
        screen = pilot.app.screen
        assert isinstance(screen, WatchScreen)
        assert len(screen._state.series["loss"].points) == 1  # the last report of all
        may_poll.set()
        await until(pilot, lambda: len(screen._state.series["loss"].points) > 20)
