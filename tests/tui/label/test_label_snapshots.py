"""How the Label screen looks in the three sizes, with answers that are made up."""

from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot

from core.inference.types import MergedSegment, Prediction, Segment
from core.labelling.label_worker import Assessed, Looked, Opened, Ranked, Row
from core.util.jsonl_process import JsonlProcess
from tests.support.pilot import until_shown
from tui.app import GenreApp
from tui.label.screen import LabelScreen

SIZES = [(80, 24), (120, 40), (200, 60)]
GENRES = ["blues", "country", "hip-hop", "a genre with a name of forty characters.", "カントリー"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths on the screen do not depend on where the test runs, and nothing is looked at by a process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(JsonlProcess, "ask", lambda process, request, first=False: None)


def looked(index: int) -> Looked:
    probabilities = dict(zip(GENRES, [0.6, 0.2, 0.1, 0.06, 0.04], strict=True))
    segments = [
        Segment(start_s=7.5 * i, end_s=7.5 * i + 15, genre=GENRES[i > 1], probabilities=probabilities) for i in range(3)
    ]
    stretches = [
        MergedSegment(start_s=0, end_s=19, genre=GENRES[0], probability=0.6),
        MergedSegment(start_s=19, end_s=30, genre=GENRES[1], probability=0.5),
    ]
    prediction = Prediction(
        genre=GENRES[0],
        probability=0.6,
        probabilities=probabilities,
        duration_s=30,
        segments=segments,
        stretches=stretches,
    )
    image = bytes((31 * band + 7 * column) % 256 for band in range(32) for column in range(64))
    return Looked(index, prediction, [5, 6, 7, 8, 9, 10], 32, image)


def rows(teaches: bool) -> list[Row]:
    return [
        Row(
            index=i,
            name=f"clip.{i:05d}",
            label="" if teaches else GENRES[i % 5],
            suggested="" if teaches else GENRES[i * 7 % 5],
            doubt=None if teaches else round(1 / (i + 1), 3),
            artist="" if teaches else f"Artist {i % 9}",
            decision=(GENRES[1], "(excluded)", "", "")[i % 4],
        )
        for i in range(30)
    ]


def drive(teaches: bool) -> Callable[[Pilot[None]], object]:
    async def run(pilot: Pilot[None]) -> None:
        await pilot.press("5")
        await until_shown(pilot, "[5 Label]", "O opens a dataset")
        screen = pilot.app.screen
        assert isinstance(screen, LabelScreen)
        screen.session.data = Path("music")
        ranked = Ranked(list(range(15)), [GENRES[i % 5] for i in range(30)], [0.5] * 30) if teaches else None
        opened = Opened(GENRES, rows(teaches), ranked, "the files have no labels", True)
        screen.call_later(screen.take_answer, screen.session, opened, None)
        if teaches:
            for accuracy in (0.3, 0.5, 0.6, 0.7):
                assessed = Assessed(accuracy, accuracy - 0.1, accuracy + 0.1, 40)
                screen.call_later(screen.take_answer, screen.session, assessed, None)
        # Without teaching, clips 0 and 1 have decisions and are listed last.
        screen.call_later(screen.take_answer, screen.session, looked(0 if teaches else 2), None)
        await until_shown(pilot, "30 clips", "country", *(["out of fold 70.0%"] if teaches else ["doubt"]))
        await pilot.pause()

    return run


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_doubt(snap_compare: Callable[..., bool], size: tuple[int, int]) -> None:
    assert snap_compare(GenreApp(Path("runs")), terminal_size=size, run_before=drive(teaches=False))


def test_teaching(snap_compare: Callable[..., bool]) -> None:
    assert snap_compare(GenreApp(Path("runs")), terminal_size=SIZES[1], run_before=drive(teaches=True))


def test_nothing_is_open(snap_compare: Callable[..., bool]) -> None:
    async def run(pilot: Pilot[None]) -> None:
        await pilot.press("5")
        await until_shown(pilot, "[5 Label]", "O opens a dataset")

    assert snap_compare(GenreApp(Path("runs")), terminal_size=SIZES[0], run_before=run)
