"""How Listen looks, in the three sizes, in ASCII and without colour. The listening process is made up."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot

from core.audio.live.source import State
from core.inference.live_events import SourceChanged
from core.inference.types import Reason
from core.inference.workers.live_worker import Answer, DevicesFound
from tests.support import example_sound as made_up
from tests.support.pilot import until, until_shown
from tui.app import GenreApp
from tui.listen.audio_forwarding import THERE, Route
from tui.listen.screen import ListenScreen

SIZES = [(80, 24), (120, 40), (200, 60)]
Compare = Callable[..., bool]
STARTED = 1_700_000_000.0
FEED = "arecord -q -f S16_LE -c 1 -r 22050 -t wav | ssh me@gpu-box /home/me/genre-tui/.venv/bin/genre-tui feed"


class MadeUpProcess:
    def __init__(self, *_: object, **__: object) -> None:
        self.asked: list[object] = []

    def ask(self, request: object) -> None:
        self.asked.append(request)

    def close(self, grace_seconds: float = 0.0) -> None:
        pass


@pytest.fixture(autouse=True)
def made_up_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("best.pth").touch()
    monkeypatch.setattr("tui.listen.screen.JsonlProcess", MadeUpProcess)
    monkeypatch.setattr("tui.listen.screen.find_model", lambda name, runs: Path("best.pth"))
    listed = [Route("a  feed this screen", THERE, FEED), Route("b  listen without a screen", THERE, "arecord | ssh")]
    monkeypatch.setattr("tui.listen.screen.routes", lambda: listed)


def told(*answers: Answer, keys: str = "", shows: str) -> Callable[[Pilot[None]], Awaitable[None]]:
    """Open Listen, and let the process say something."""

    async def run(pilot: Pilot[None]) -> None:
        await pilot.press("4")
        screen = pilot.app.screen
        assert isinstance(screen, ListenScreen)
        screen.call_later(screen.take_answer, DevicesFound([made_up.MICROPHONE, made_up.LINE_IN]))
        await until_shown(pilot, "p listens to US")
        await pilot.press(*keys)
        for number, answer in enumerate(answers):
            screen.state.take(answer, STARTED + number)
        await until_shown(pilot, shows)
        for _ in range(3):  # its place may get another size meanwhile
            await until(pilot, lambda: screen.is_drawn, "the picture")

    return run


SOUND = (
    made_up.opened(),
    made_up.receiving(skipped=2),
    *made_up.levels(2.0),
    made_up.prediction(3.0, "jazz"),
    made_up.prediction(5.0, None, 0.3, Reason.SILENCE),
    made_up.prediction(7.0, "metal", 0.62),
    made_up.prediction(9.0, None, 0.4),
    made_up.prediction(12.0, "reggae", 0.83),
    *made_up.levels(11.0, first=20, clipped=7),
)
SOUND_SHOWN = told(*SOUND, keys="s", shows="CLIPPING")


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_sound(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert snap_compare(GenreApp(Path("runs")), terminal_size=size, run_before=SOUND_SHOWN)


@pytest.mark.parametrize("size", SIZES[:2], ids=str)
def test_sound_in_ascii(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert snap_compare(GenreApp(Path("runs"), ascii=True), terminal_size=size, run_before=SOUND_SHOWN)


def test_sound_without_colour(snap_compare: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert snap_compare(GenreApp(Path("runs")), terminal_size=SIZES[0], run_before=SOUND_SHOWN)


def test_sound_and_the_routes(snap_compare: Compare) -> None:
    drive = told(*SOUND, keys="sh", shows="feed this screen")
    assert snap_compare(GenreApp(Path("runs")), terminal_size=SIZES[1], run_before=drive)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_no_device(snap_compare: Compare, size: tuple[int, int]) -> None:
    waiting = SourceChanged(
        state=State.WAITING, text="waiting for genre-tui feed on /run/feed.sock", overruns=0, skipped=0
    )
    drive = told(made_up.opened(), waiting, made_up.NO_DEVICE, keys="s", shows="no input device")
    assert snap_compare(GenreApp(Path("runs")), terminal_size=size, run_before=drive)


def test_the_first_window_fills(snap_compare: Compare) -> None:
    drive = told(made_up.opened(), made_up.receiving(), *made_up.levels(1.5), keys="s", shows="the first window fills")
    assert snap_compare(GenreApp(Path("runs")), terminal_size=SIZES[0], run_before=drive)


def test_choosing_a_source(snap_compare: Compare) -> None:
    assert snap_compare(GenreApp(Path("runs")), terminal_size=SIZES[0], run_before=told(keys="D", shows="Listen to"))


def test_a_tiny_terminal(snap_compare: Compare) -> None:
    drive = told(*SOUND, keys="s", shows="reggae")
    assert snap_compare(GenreApp(Path("runs")), terminal_size=(40, 12), run_before=drive)
