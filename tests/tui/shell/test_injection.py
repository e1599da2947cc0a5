"""Text from journals, file names, recipes, settings and models cannot control the terminal."""

from pathlib import Path

import msgspec
import pytest
from rich.segment import Segment
from textual.color import Color

from core.runs.journal import events as ev
from tests.support import example_run
from tests.support.pseudo_terminal import PseudoTerminal, wait_until
from tui.shell.line_filters import SafeFilter, safe

PAYLOAD = "\u001b]0;PWN\u0007\u001b[66m\u009b66m[red]x[/red]\u202e\u2066\r\n\tz"
FORBIDDEN = (b"\x1b]0;PWN", b"\x1b[66m", b"\x9b66m", "\u202e".encode(), "\u2066".encode())


@pytest.mark.parametrize("text", [PAYLOAD, "plain", "Ünïcode 音楽 🎵", "\udcff", "\ufeff\u2028\u2029", "a\u200db"])
def test_safe_text_is_as_wide_as_the_text(text: str) -> None:
    made = safe(text)
    assert Segment(made).cell_length == Segment(text).cell_length
    assert not any(bad.decode("latin-1") in made for bad in FORBIDDEN[:2])
    made.encode()
    assert safe(made) == made


def test_the_filter_leaves_control_segments_of_textual_alone() -> None:
    segments = [Segment("\x1b[1m", None, [(1,)]), Segment("a\x1bb", None)]  # type: ignore[list-item]
    assert [segment.text for segment in SafeFilter().apply(segments, Color(0, 0, 0))] == ["\x1b[1m", "ab"]


def hostile(value: object) -> object:
    """Every string in it is the payload, or begins with it where it is a key."""
    if isinstance(value, str):
        return PAYLOAD + value
    if isinstance(value, dict):
        return {PAYLOAD + str(key) if key in example_run.GENRES else key: hostile(item) for key, item in value.items()}
    if isinstance(value, list):
        return [hostile(item) for item in value]
    return value


def hostile_events() -> list[ev.Event]:
    events: list[ev.Event] = []
    for event in [*example_run.whole(4)[:-1], ev.RunFailed(error="error", traceback="Traceback\n  line\n")]:
        fields = msgspec.to_builtins(event)
        kept = {name: fields[name] for name in ("kind", "phase", "what") if name in fields}
        events.append(msgspec.convert({**hostile(fields), **kept}, type(event)))  # type: ignore[dict-item]
    return events


@pytest.mark.parametrize("size", [(80, 24), (160, 50)], ids=str)
def test_no_escape_sequence_of_any_source_reaches_the_terminal(tmp_path: Path, size: tuple[int, int]) -> None:
    runs, data = tmp_path / "runs", tmp_path / f"data {PAYLOAD.replace('/', '')}"
    for number in range(2):
        name = f"{number}{PAYLOAD.replace('/', '')}"
        example_run.write_run(runs / name, hostile_events())
    for genre in ("a", "b"):
        folder = data / f"{genre}{PAYLOAD.replace('/', '')}"
        folder.mkdir(parents=True)
        (folder / f"{PAYLOAD.replace('/', '')}.wav").touch()
    config = tmp_path / ".config" / "genre-tui" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text('"\\u001b]0;PWN\\u0007" = 1\n[new_run]\ndata = "' + _toml(str(data)) + '"\n')
    with PseudoTerminal(["--runs", str(runs)], tmp_path, size=size) as terminal:
        terminal.read_until("failed")
        terminal.type(" ")
        terminal.type("\x1b[B")
        terminal.type(" ")
        terminal.type("c")
        terminal.read_until("compared")
        terminal.type("\t\t")
        terminal.read_for(0.5)
        terminal.type("\x1b")
        terminal.read_for(0.5)
        terminal.type("d")  # a question with the run's name
        terminal.read_until("move to trash")
        terminal.type("n")
        terminal.read_for(0.3)
        terminal.type("n")
        terminal.read_until("Start training")
        terminal.read_for(1.0)
        terminal.type("\x14")  # the folder picker
        terminal.read_until("Choose the folder")
        terminal.type("\x1b[C")
        terminal.read_for(0.5)
        terminal.type("\x1b")
        terminal.read_for(0.3)
        terminal.type("\x1b")
        wait_until(
            lambda: terminal.read(0.1) is not None and "Start training" not in terminal.screen(), "the list of runs"
        )
        terminal.type("\r")
        if size[0] == 80:  # enter shows the details of the run first
            terminal.read_until("watch")
            terminal.type("\r")
        terminal.read_until("[2 Watch]")
        for _ in range(8):
            terminal.type("\t")
            terminal.read_for(0.2)
        terminal.type("3")
        terminal.read_for(1.0)
        shown = terminal.output
    assert b"PWN" in shown
    for forbidden in FORBIDDEN:
        assert forbidden not in shown, forbidden


def _toml(text: str) -> str:
    return "".join(f"\\u{ord(char):04x}" if not char.isalnum() else char for char in text)
