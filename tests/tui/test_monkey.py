"""Random keys, clicks and resizes on every screen: no exception, and the keys lead back.

``python -m benchmarks.fuzz_app`` does the same for minutes, with a real trainer.
"""

from pathlib import Path

import pytest

from tests.support import example_run as made_up_run
from tests.support.monkey import Monkey, stay
from tui.app import GenreApp


@pytest.mark.parametrize("seed", [1, 2])
async def test_nothing_breaks_and_the_way_back_is_open(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    runs = tmp_path / "runs"
    for number in range(3):
        made_up_run.write_run(runs / f"run-{number}", made_up_run.variant(number, epochs=3))
    app = GenreApp(runs)
    stay(app)
    async with app.run_test(size=(120, 40)) as pilot:
        await Monkey(pilot, runs, seed).play(30)


@pytest.mark.parametrize("typed", ["~nosuchuser/x", "~", "~nosuchuser", "x" * 300, "\\", "../../.."])
async def test_any_text_can_stand_in_a_path_field(typed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with GenreApp(tmp_path / "runs").run_test(size=(120, 40)) as pilot:
        await pilot.press("n")
        for field in ("#data", "#labels-source"):
            for editor in pilot.app.screen.query(field):
                editor.value = typed  # type: ignore[attr-defined]
        await pilot.pause(0.6)
        await pilot.press("tab", "ctrl+r", "ctrl+y", "ctrl+t")
        await pilot.pause()
        await pilot.press("escape", "escape")
        assert pilot.app.is_running and pilot.app.return_code is None
