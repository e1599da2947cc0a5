"""The Listen screen with the real process behind it, fed by a real second process, and from a real PortAudio device."""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import soundfile
from textual.pilot import Pilot

from core.audio.files.decode import decode
from core.inference.find_model import choose_model
from tests.support.microphone import VIRTUAL_MIC, needs_microphone
from tests.support.pilot import text, until, until_shown
from tests.support.pseudo_terminal import PseudoTerminal
from tests.support.recordings import write_sound
from tests.support.small_model import a_sound, shared_model
from tui.app import GenreApp
from tui.listen.screen import ListenScreen

SIZE = (120, 40)


@pytest.fixture(autouse=True)
def own_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "feed" / "feed.sock"
    monkeypatch.setenv("GENRE_TUI_SOCKET", str(path))
    monkeypatch.chdir(tmp_path)
    return path


def an_app(tmp_path: Path) -> GenreApp:
    """With one run, whose best model is the small one and in use."""
    run = tmp_path / "runs" / "a-run"
    if not run.exists():
        run.mkdir(parents=True)
        (run / "recipe.json").write_text("{}")
        shutil.copy(shared_model(), run / "best_model.pth")
        choose_model("a-run", tmp_path / "runs")
    return GenreApp(tmp_path / "runs")


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    y, rate = decode(a_sound("saw-wall"))
    return write_sound(tmp_path / "sound.wav", y, rate)


class Feeder:
    """``genre-tui feed``, given sound as fast as it takes it."""

    def __init__(self, sound: bytes) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tui.cli", "feed"], stdin=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert self.process.stdin is not None
        os.set_blocking(self.process.stdin.fileno(), False)
        self._rest = sound

    async def until_shown(self, pilot: Pilot[None], part: str) -> None:
        """Sends until the screen shows ``part``."""
        await until(pilot, lambda: self._send() and part in text(pilot), part)

    def _send(self) -> bool:
        assert self.process.stdin is not None
        with contextlib.suppress(BlockingIOError):
            sent = os.write(self.process.stdin.fileno(), self._rest[:65_536])
            self._rest = self._rest[sent:]
        return True

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def end(self) -> str:
        _, narration = self.process.communicate(timeout=60)
        return narration.decode()


@pytest.fixture
def sound(wav: Path) -> bytes:
    """WAV, most of a minute."""
    return wav.read_bytes() + wav.read_bytes()[44:] * 3


def knows_the_devices(pilot: Pilot[None]) -> bool:
    screen = pilot.app.screen
    return isinstance(screen, ListenScreen) and screen.state.devices is not None


async def choose_the_feed(pilot: Pilot[None]) -> None:
    await pilot.press("4")
    await until(pilot, lambda: knows_the_devices(pilot))
    await pilot.press("D")
    await until_shown(pilot, "Listen to")
    await pilot.press("end", "enter")


async def listen_to_the_feed(pilot: Pilot[None]) -> None:
    await choose_the_feed(pilot)
    await until_shown(pilot, "waiting for genre-tui feed", "model a-run")


def listeners() -> list[psutil.Process]:
    return [
        process
        for process in psutil.Process().children()
        if "core.inference.workers.live_worker" in " ".join(process.cmdline())
    ]


async def test_what_is_fed_is_heard(tmp_path: Path, sound: bytes, own_socket: Path) -> None:
    app = an_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        await listen_to_the_feed(pilot)
        assert "arecord -q" in text(pilot)
        sender = Feeder(sound)
        await sender.until_shown(pilot, "saw-wall  ")
        await until_shown(pilot, "sender, 22,050 Hz", "saw-wall  ", "━━━━", "▀▀▀▀", "latency", "sound lost 0×", " dB")
        assert "arecord -q" not in text(pilot)
        second = Feeder(b"")
        assert "another sender is connected" in second.end()
        await pilot.press("w")
        await until(pilot, lambda: list(tmp_path.glob("recording_*.wav")) != [], "the saved minute")
        sender.kill()
        await until_shown(pilot, "◌ ")
        assert "saw-wall" in text(pilot), "the history stays"
    [saved] = tmp_path.glob("recording_*.wav")
    assert soundfile.info(saved).duration > 2
    assert not listeners(), "the listening process outlived the app"
    assert not own_socket.exists()


async def test_paused_and_gone_on_and_stopped(tmp_path: Path, sound: bytes) -> None:
    app = an_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        await listen_to_the_feed(pilot)
        sender = Feeder(sound)
        await sender.until_shown(pilot, "saw-wall  ")
        await pilot.press("p")
        await until_shown(pilot, "◆ paused")
        await pilot.press("p")
        await sender.until_shown(pilot, "the first window fills")
        await pilot.press("s")
        await until_shown(pilot, "not listening")
        assert "the listener has ended" in sender.end()


async def test_a_crash_is_reported_and_listening_can_begin_again(tmp_path: Path) -> None:
    app = an_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        await listen_to_the_feed(pilot)
        [process] = listeners()
        process.kill()
        await until_shown(pilot, "ended unexpectedly")
        await until_shown(pilot, "waiting for genre-tui feed")  # by itself


async def test_a_socket_in_use_is_reported_and_taken_when_it_is_free(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tui.cli", "listen", "--socket", os.environ["GENRE_TUI_SOCKET"]]
    holder = subprocess.Popen([*command, "--model", str(shared_model())], stderr=subprocess.PIPE)
    assert holder.stderr is not None
    while b"waiting for genre-tui feed" not in holder.stderr.readline():
        assert holder.poll() is None
    app = an_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        await choose_the_feed(pilot)
        await until_shown(pilot, "another genre-tui listens")
        holder.kill()
        holder.communicate()
        await until_shown(pilot, "waiting for genre-tui feed")


async def test_without_a_model_it_is_said_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.inference.find_model.default_model", lambda: None)
    app = GenreApp(tmp_path / "none")
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("4")
        await until_shown(pilot, "there is no model yet")
        await pilot.press("p")
        await until_shown(pilot, "there is no model yet")


async def test_the_marked_command_is_copied(tmp_path: Path) -> None:
    app = an_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("4")
        await until_shown(pilot, "arecord -q")
        await pilot.press("down", "y")
        await until(pilot, lambda: app.clipboard.endswith("listen --stdin --json"))
        await pilot.press("down", "down", "enter")
        await until(pilot, lambda: app.clipboard.startswith("PULSE_SERVER="))


@pytest.mark.parametrize("size", [(20, 5), (40, 12), (80, 24)])
async def test_small_terminals(tmp_path: Path, size: tuple[int, int]) -> None:
    app = an_app(tmp_path)
    async with app.run_test(size=size) as pilot:
        await pilot.press("4")
        await until(pilot, lambda: isinstance(pilot.app.screen, ListenScreen))
        await pilot.resize_terminal(120, 40)
        await until_shown(pilot, "arecord -q")


@needs_microphone
def test_a_real_device_is_shown_in_a_terminal(tmp_path: Path, wav: Path) -> None:
    an_app(tmp_path)
    code = (
        f"import os, sys; os.execv({str(VIRTUAL_MIC)!r}, [{str(VIRTUAL_MIC)!r}, {str(wav)!r}, sys.executable, '-m', "
        f"'tui.cli', '--runs', {str(tmp_path / 'runs')!r}])"
    )
    with PseudoTerminal(
        [], tmp_path, code=code, environment={"XDG_STATE_HOME": os.environ["XDG_STATE_HOME"]}
    ) as terminal:
        terminal.read_until("a-run")
        terminal.type("4")
        terminal.read_until("listens to default")
        terminal.type("p")
        terminal.read_until("saw-wall")
        terminal.type("q")
        assert terminal.wait() == 0
