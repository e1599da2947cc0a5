"""Whatever names, notes, events, files and errors contain: no screen writes it to the terminal as it is."""

import random
import re
from pathlib import Path

import pytest
from textual.drivers.headless_driver import HeadlessDriver

from core.util.text import UNSAFE
from tests.support.odd_names import SCENES, hostile_names, without_workers, write_music, write_runs
from tests.support.pilot import text
from tui.app import GenreApp

OWN = re.compile(r"\x1b\[(?!66m)(?:[\d;]*m|\d+;\d+H|\?2026[hl])|\x1b\]22;[a-z]+\x07")
"""What Textual itself sends while it draws: styles, positions, the marks around an update, the pointer's shape."""


@pytest.fixture
def output(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the app writes to its terminal."""
    written: list[str] = []
    monkeypatch.setattr(HeadlessDriver, "is_headless", False)
    monkeypatch.setattr(HeadlessDriver, "write", lambda driver, data: written.append(data))
    return written


@pytest.mark.parametrize("scene", SCENES)
async def test_no_screen_writes_foreign_text_raw(
    scene: str, output: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = list(SCENES).index(scene)
    names = hostile_names(random.Random(place))
    monkeypatch.chdir(tmp_path)
    without_workers(monkeypatch)
    write_music(names)
    (Path("music") / names.name / "not UTF-8: \udcff.wav").touch()
    write_runs(Path("runs"), names)
    async with GenreApp(Path("runs")).run_test(notifications=True, size=((200, 60), (80, 24))[place % 2]) as pilot:
        await SCENES[scene](pilot, names)
        await pilot.press("tab", "tab", "plus")
        await pilot.resize_terminal(120, 40)
        await pilot.pause()
        assert text(pilot).count("\n") == pilot.app.size.height - 1
    shown = OWN.sub("", "".join(output)).replace("\n", "")  # Textual's own, after each row
    assert len(shown) > 2000
    assert not (found := UNSAFE.search(shown)), ascii(shown[max(0, found.start() - 60) : found.end() + 60])
