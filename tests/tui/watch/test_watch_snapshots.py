"""How Watch and Compare look, in the three sizes, in ASCII, in other themes and without colour."""

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot

from core.runs.lock import RunLock
from tests.support import example_run as made_up_run
from tests.support.pilot import until, until_shown
from tui.app import GenreApp
from tui.charts.confusion import ConfusionView
from tui.shell.settings import Settings

SIZES = [(80, 24), (120, 40), (200, 60)]
Compare = Callable[..., bool]


@pytest.fixture(autouse=True)
def one_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock stands, and the runs lie in a folder that is always called the same."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tui.watch.screen.now", lambda: 0.0)  # the moment of the last event


@pytest.fixture
def running() -> Iterator[Path]:
    folder = made_up_run.write_run(Path("runs") / "2026-11-22_14-03-11_gtzan-mini_seed-cnn", made_up_run.midway())
    with RunLock(folder / "run.lock"):
        yield folder


@pytest.fixture
def finished() -> Path:
    return made_up_run.write_run(Path("runs") / "2026-11-22_14-03-11_gtzan-mini_seed-cnn", made_up_run.whole())


def shown(*parts: str, keys: str = "") -> Callable[[Pilot[None]], Awaitable[None]]:
    async def run(pilot: Pilot[None]) -> None:
        await until_shown(pilot, *parts)
        await until(pilot, lambda: pilot.app.focused is not None)
        await pilot.press(*keys.split())
        await pilot.pause()

    return run


@pytest.mark.parametrize("size", SIZES)
def test_running(snap_compare: Compare, running: Path, size: tuple[int, int]) -> None:
    app = GenreApp(Path("runs"), watch=running)
    assert snap_compare(app, terminal_size=size, run_before=shown("● running", "train 0.5855"))


@pytest.mark.parametrize("size", SIZES)
def test_running_in_ascii(snap_compare: Compare, running: Path, size: tuple[int, int]) -> None:
    app = GenreApp(Path("runs"), watch=running, ascii=True)
    assert snap_compare(app, terminal_size=size, run_before=shown("running", "train 0.5855"))


@pytest.mark.parametrize("size", [*SIZES, (160, 45)])
def test_finished(snap_compare: Compare, finished: Path, size: tuple[int, int]) -> None:
    app = GenreApp(Path("runs"), watch=finished)
    assert snap_compare(app, terminal_size=size, run_before=shown("test 78.0%", "train 0.1065"))


@pytest.mark.parametrize("theme", ["light", "colour-blind", "16-colour"])
def test_themes(snap_compare: Compare, finished: Path, theme: str) -> None:
    app = GenreApp(Path("runs"), watch=finished, settings=Settings(theme=theme))
    keys = "o down down enter escape left left shift+left shift+left tab"
    assert snap_compare(app, terminal_size=(120, 40), run_before=shown("test 78.0%", "train 0.1065", keys=keys))


def test_without_colour(snap_compare: Compare, finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = GenreApp(Path("runs"), watch=finished)
    assert snap_compare(app, terminal_size=(120, 40), run_before=shown("test 78.0%", keys="tab tab"))


@pytest.mark.parametrize("pane", ["epochs", "genres", "confusion", "mistakes", "report", "setup", "log"])
def test_panes_on_a_small_terminal(snap_compare: Compare, finished: Path, pane: str) -> None:
    panes = ("epochs", "genres", "confusion", "mistakes", "report", "setup", "log")
    keys = "tab " * (panes.index(pane) + 1)
    app = GenreApp(Path("runs"), watch=finished)
    assert snap_compare(app, terminal_size=(80, 24), run_before=shown("test 78.0%", keys=keys))


CJK = ["ジャズ", "ロック", "クラシック音楽", "日本の民謡", "한국 음악", "中国古典音乐"]


@pytest.mark.parametrize(
    ("genres", "size"),
    [
        ([f"{n:02d} {'a genre with a long name'}"[:40] for n in range(50)], (120, 40)),
        (["a genre whose name takes forty cells " + str(n) for n in range(100, 106)], (80, 24)),
        (CJK, (120, 40)),
    ],
    ids=["fifty", "long", "cjk"],
)
def test_confusion_of_many_and_long_names(snap_compare: Compare, genres: list[str], size: tuple[int, int]) -> None:
    run = made_up_run.write_run(Path("runs") / "names", made_up_run.with_genres(genres))

    async def go_to_the_matrix(pilot: Pilot[None]) -> None:
        await until_shown(pilot, "test 78.0%")
        while not any(view.has_focus for view in pilot.app.screen.query(ConfusionView)):
            await pilot.press("tab")
        await pilot.press("right")
        await until_shown(pilot, "predicted as")

    assert snap_compare(GenreApp(Path("runs"), watch=run), terminal_size=size, run_before=go_to_the_matrix)


def test_failed(snap_compare: Compare) -> None:
    run = made_up_run.write_run(Path("runs") / "failed", made_up_run.failed())
    app = GenreApp(Path("runs"), watch=run)
    assert snap_compare(app, terminal_size=(120, 40), run_before=shown("✗ failed", "OutOfMemoryError"))


@pytest.mark.parametrize("size", SIZES)
def test_compared(snap_compare: Compare, size: tuple[int, int]) -> None:
    runs = [made_up_run.write_run(Path("runs") / f"run-{n}", made_up_run.variant(n, 12 + 2 * n)) for n in range(4)]

    async def compare(pilot: Pilot[None]) -> None:
        await pilot.app.compare_runs(runs)  # type: ignore[attr-defined]
        await until_shown(pilot, "4 runs compared", "Validation loss")

    assert snap_compare(GenreApp(Path("runs")), terminal_size=size, run_before=compare)
