"""Pictures in pixels: asking the terminal, what is sent, and what stands on the screen."""

import contextlib
import io
import os
import pty
import re
import select
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PILImage
from rich.cells import cell_len
from textual.app import ComposeResult

from tests.support.cached_predictions import prediction
from tests.support.pilot import text, until, until_gone, until_shown
from tests.support.pseudo_terminal import PseudoTerminal, wait_until
from tui.app import GenreApp
from tui.classify.detail import SoundDetail
from tui.classify.results import Sound
from tui.shell.graphics import (
    ASK,
    CHUNK,
    MOST_BYTES,
    NUMBERS,
    PLACEHOLDER,
    Answers,
    Pictures,
    draws_pixels,
    may_be_asked,
    placeholders,
    png,
    tmux_clients,
    transmission,
)
from tui.shell.panels import LiveScreen
from tui.shell.themes import MAGMA
from tui.widgets.spectrogram_view import Image

KITTY = "\x1bP>|kitty(0.32.2)\x1b\\"
ATTRIBUTES = "\x1b[?62;4;22c"


@pytest.mark.parametrize(
    "name", ["kitty(0.28.0)", "kitty(1.0.0)", "kitty(0.41.1 nightly)", "ghostty 1.1.3", "Ghostty 1.2"]
)
def test_terminals_with_placeholders(name: str) -> None:
    assert draws_pixels(name)


@pytest.mark.parametrize(
    "name", ["", "kitty(0.27.1)", "tmux 3.3a", "XTerm(390)", "WezTerm 20240203", "Konsole 24.1", "foot(1.16.2)"]
)
def test_terminals_without(name: str) -> None:
    assert not draws_pixels(name)


def test_tmux_and_plain_consoles_are_not_asked() -> None:
    assert may_be_asked({"TERM": "xterm-kitty"})
    for environment in ({"TERM": "tmux-256color", "TMUX": "x"}, {"TERM": "linux"}, {"TERM": "screen", "STY": "1"}, {}):
        assert not may_be_asked(environment)


@pytest.mark.parametrize("cut", range(len(KITTY + ATTRIBUTES) + 1))
def test_answers_are_taken_out_wherever_they_are_cut(cut: int) -> None:
    told: list[str] = []
    answers = Answers(told.append)
    both = KITTY + ATTRIBUTES
    assert answers.rest("ab" + both[:cut]) + answers.rest(both[cut:] + "c\x1b[A") == "abc\x1b[A"
    assert told == ["kitty(0.32.2)"]
    assert answers.rest("\x1b") == "\x1b"


def test_keys_between_the_answers_arrive() -> None:
    told: list[str] = []
    answers = Answers(told.append)
    assert answers.rest(f"j{KITTY}\x1b[A{ATTRIBUTES}\x1b") == "j\x1b[A\x1b"
    assert told == ["kitty(0.32.2)"]


def test_escape_is_a_key_where_no_answer_follows() -> None:
    answers = Answers(lambda name: None)
    assert answers.rest("\x1b") == ""
    wait_until(lambda: answers.overdue() == "\x1b", "the key")
    assert answers.rest("\x1b[B") == "\x1b[B"


def test_a_terminal_that_tells_nothing_but_its_attributes() -> None:
    told: list[str] = []
    assert Answers(told.append).rest("\x1b[?1;2c") == ""
    assert told == [""]


def test_a_picture_arrives_as_it_is() -> None:
    levels = [[0, 1, 2], [3, 4, 15]]
    image = PILImage.open(io.BytesIO(png(levels, MAGMA[:16]))).convert("RGB")
    for y, row in enumerate(levels):
        for x, level in enumerate(row):
            assert "#{:02x}{:02x}{:02x}".format(*image.getpixel((x, y))) == MAGMA[level]  # type: ignore[misc]


def test_the_bytes_of_a_picture_are_bounded() -> None:
    noise = np.random.default_rng(0).integers(0, 16, (96, 800)).tolist()
    parts = transmission(7, noise, MAGMA[:16], 200, 20)
    bodies = [part.partition(";")[2].removesuffix("\x1b\\") for part in parts]
    assert sum(map(len, bodies)) <= MOST_BYTES
    assert max(map(len, bodies)) <= CHUNK
    assert [part.partition(";")[0][-3:] for part in parts] == ["m=1"] * (len(parts) - 1) + ["m=0"] or len(parts) == 1


def test_placeholders_are_one_cell_each_and_all_different() -> None:
    assert len(set(NUMBERS)) == len(NUMBERS) > 200
    lines = placeholders(80, 20)
    assert [cell_len(line) for line in lines] == [80] * 20
    assert len({cell for line in lines for cell in line.split(PLACEHOLDER)[1:]}) == 80 * 20


def test_a_picture_is_sent_again_only_when_it_has_changed() -> None:
    sent: list[str] = []
    pictures = Pictures(sent.append, in_tmux=False)
    pictures.allow(True, true_colour=False)
    levels = [[0, 1], [1, 0]]
    pictures.draw("a", levels, MAGMA[:16], 10, 4)
    pictures.draw("a", [[0, 1], [1, 0]], MAGMA[:16], 10, 4)
    assert len(sent) == 1
    pictures.draw("a", levels, MAGMA[:16], 12, 4)
    pictures.draw("b", levels, MAGMA[:16], 12, 4)
    assert len(sent) == 3
    assert pictures.colour("a") != pictures.colour("b")
    pictures.close()
    assert sent[3].count("a=d,d=I") == 2


def test_tmux_gets_an_envelope() -> None:
    sent: list[str] = []
    pictures = Pictures(sent.append, in_tmux=True)
    pictures.allow(True, true_colour=True)
    pictures.draw("a", [[0]], MAGMA[:16], 1, 1)
    assert re.fullmatch(r"\x1bPtmux;\x1b\x1b_Ga=T,U=1,[^\x1b]*\x1b\x1b\\\x1b\\", sent[0])


def a_sound() -> Sound:
    levels = bytes(range(256)) * 3
    return Sound(Path("a.wav"), "classified", prediction("jazz"), image=Image(8, levels, range(100, 900, 100), 30.0))


class OneSound(LiveScreen):
    def compose(self) -> ComposeResult:
        yield SoundDetail()

    def on_mount(self) -> None:
        self.query_one(SoundDetail).show_sound(a_sound())


async def test_the_screen_holds_placeholders_while_the_terminal_draws(tmp_path: Path) -> None:
    app = GenreApp(tmp_path)
    sent: list[str] = []
    app.pictures = Pictures(sent.append, in_tmux=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await until_shown(pilot, "What to do next")
        await app.push_screen(OneSound())
        await until_shown(pilot, "▀")
        app.pictures.allow(True, true_colour=True)
        app.pictures_changed.publish(None)
        await until_shown(pilot, PLACEHOLDER)
        assert "▀" not in text(pilot) and len(sent) == 1
        columns, rows = map(int, re.findall(r"[cr]=(\d+)", sent[0]))
        shown = [line.count(PLACEHOLDER) for line in text(pilot).split("\n") if PLACEHOLDER in line]
        assert shown == [columns] * rows
        # A dialog covers a part; nothing is sent for it, and all is there again.
        await pilot.press("question_mark")
        await until_shown(pilot, "Help")
        await pilot.press("escape")
        await until_gone(pilot, "Help")
        assert text(pilot).count(PLACEHOLDER) == columns * rows and len(sent) == 1
        await app.push_screen(LiveScreen())
        await until_gone(pilot, PLACEHOLDER)
        await app.pop_screen()
        await until_shown(pilot, PLACEHOLDER)
        assert len(sent) == 1
        await pilot.resize_terminal(140, 45)
        await until(pilot, lambda: len(sent) > 1)
        app.pictures.allow(False, true_colour=True)
        app.pictures_changed.publish(None)
        await until_gone(pilot, PLACEHOLDER)
        assert "▀" in text(pilot)


@pytest.mark.parametrize("answer", [KITTY + ATTRIBUTES, ATTRIBUTES, ""], ids=["kitty", "nameless", "silent"])
def test_the_app_starts_and_takes_keys_whatever_the_terminal_answers(tmp_path: Path, answer: str) -> None:
    with PseudoTerminal(["--runs", str(tmp_path / "runs")], tmp_path) as terminal:
        terminal.read_until("What to do next")
        assert ASK.encode() in terminal.output
        terminal.type(answer[:9])
        terminal.type(answer[9:] + "3")
        terminal.read_until("Choose an audio file")
        terminal.type("q")
        assert terminal.wait() == 0


@pytest.fixture
def tmux_in_kitty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, list[str]]]:
    """A tmux session shown by a terminal that calls itself kitty: its pane, and the command for its server."""
    if shutil.which("tmux") is None:
        pytest.skip("needs tmux")
    socket = str(tmp_path / "socket")
    command = ["tmux", "-f", "/dev/null", "-S", socket]
    monkeypatch.setenv("TERM", "xterm-256color")
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp("tmux", [*command, "new-session", "sleep 100"])
    done = threading.Event()

    def answer() -> None:
        while not done.is_set():
            with contextlib.suppress(OSError):  # the session has ended
                if select.select([terminal], [], [], 0.05)[0] and b"\x1b[>q" in os.read(terminal, 65536):
                    os.write(terminal, KITTY.encode())

    thread = threading.Thread(target=answer)
    thread.start()

    def known() -> bool:
        asked = subprocess.run([*command, "list-clients", "-F", "#{client_termtype}"], capture_output=True, text=True)
        return "kitty" in asked.stdout

    wait_until(known, "tmux to know its terminal")
    monkeypatch.setenv("TMUX", f"{socket},1,0")
    yield "%0", command
    subprocess.run([*command, "kill-server"], check=False)
    done.set()
    thread.join()
    os.waitpid(pid, 0)
    os.close(terminal)


def test_tmux_is_asked_what_it_lets_through_and_to_whom(tmux_in_kitty: tuple[str, list[str]]) -> None:
    pane, command = tmux_in_kitty
    assert tmux_clients(pane) == ((), False), "allow-passthrough is off"
    subprocess.run([*command, "set", "-g", "allow-passthrough", "on"], check=True)
    deadline = time.monotonic() + 10
    while not (found := tmux_clients(pane))[0]:
        assert time.monotonic() < deadline
    assert len(found[0]) == 1


def test_without_tmux_there_are_no_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert tmux_clients("%0") == ((), False)
