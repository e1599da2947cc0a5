"""Progress on standard error says how much is done, and how long the rest will take."""

import pytest

from tui.commands import common


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which tests set."""
    now = [100.0]
    monkeypatch.setattr("tui.commands.common.time.monotonic", lambda: now[0])
    return now


def test_lines_in_a_log_name_the_time_left(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    progress = common.Progress("files scanned")
    progress(1, 1000)
    clock[0] += 10
    progress(100, 1000)
    assert capsys.readouterr().err == "100 of 1,000 files scanned, 01:30 left\n"
    clock[0] += 1
    progress(110, 1000)
    assert capsys.readouterr().err == ""


def test_a_second_count_starts_its_own_clock(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    progress = common.Progress("files scanned")
    clock[0] += 100
    progress(1000, 1000)
    clock[0] += 10
    progress(500, 1000)
    assert capsys.readouterr().err == "500 of 1,000 files scanned, 00:10 left\n"
