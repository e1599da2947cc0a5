"""The level's line, the moving spectrogram, and the commands of the routes."""

import re
import shlex
from pathlib import Path

import pytest

from core.inference.types import Reason
from tests.support.example_sound import opened, prediction
from tui.listen.audio_forwarding import routes
from tui.listen.drawing import (
    SECONDS_PER_CELL,
    command_lines,
    first_cell,
    history_lines,
    level_line,
    prediction_lines,
    strip_chart,
    times_below,
)
from tui.listen.state import ListenState


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_level_fills_its_width_and_says_clipping_in_words(width: int) -> None:
    for level_db, peak_db in ((-120.0, -120.0), (-30.0, -12.0), (-3.0, 0.0)):
        line = level_line(level_db, peak_db, clipping=peak_db == 0, width=width)
        assert line.cell_length == width
        assert ("CLIPPING" in line.plain) == (peak_db == 0)
    quiet, loud = (level_line(db, db, clipping=False, width=width).plain.count("━") for db in (-50, -10))
    assert quiet < loud
    assert "−∞" in level_line(-120.0, -120.0, clipping=False, width=width).plain


def column(number: int) -> bytes:
    return bytes([number % 256])


def test_the_picture_fills_from_the_left_and_then_moves_by_half() -> None:
    shown = []
    for seen in range(0, 100, 4):
        cells = strip_chart([column(i) for i in range(seen)], seen, width=8)
        assert len(cells) <= 8
        shown.append([cell[0] for cell in cells])
    assert shown[3] == [3, 7, 11]
    assert shown[8] == [3, 7, 11, 15, 19, 23, 27, 31]
    assert shown[9] == [19, 23, 27, 31, 35]
    assert shown[12] == [19, 23, 27, 31, 35, 39, 43, 47]
    assert shown[13][0] == 35


@pytest.mark.parametrize("width", [40, 76, 150])
def test_a_time_stands_below_its_cell(width: int) -> None:
    for seen in range(0, 4000, 52):
        below = times_below(seen, width)
        assert len(below) <= width
        for found in re.finditer(r"(\d+):(\d+)", below):
            seconds = 60 * int(found[1]) + int(found[2])
            assert (first_cell(seen, width) + found.start()) * SECONDS_PER_CELL == pytest.approx(seconds)


def test_columns_that_are_kept_no_more_are_not_shown() -> None:
    kept = [column(i) for i in range(90, 100)]
    assert [cell[0] for cell in strip_chart(kept, 100, 8)] == [95, 99]


def test_reasons_are_whole_beside_the_prediction_on_a_small_terminal() -> None:
    """In 33 and 37 cells: what the two panels have on a terminal of 80 columns."""
    state = ListenState()
    state.take(opened(), 0.0)
    state.take(prediction(3.0, None, 0.3, Reason.UNKNOWN), 3.0)
    assert [line.plain.strip() for line in prediction_lines(state, 33)] == ["? uncertain", Reason.UNKNOWN]
    assert prediction_lines(state, 60)[0].plain == f"? uncertain  {Reason.UNKNOWN}"
    (line,) = history_lines(state.history, 37)
    assert line.cell_length <= 37 and line.plain.endswith(Reason.UNKNOWN)


def test_a_broken_command_is_the_same_command() -> None:
    command = (
        "arecord -q -f S16_LE -c 1 -r 22050 -t wav | ssh -p 2222 me@10.0.0.7 /home/me/genre/.venv/bin/genre-tui feed"
    )
    for width in (30, 50, 200):
        lines = [line.plain for line in command_lines(command, width)]
        assert shlex.split("\n".join(lines).replace("\\\n", " ")) == shlex.split(command)
        assert "\n".join(lines).replace(" \\\n ", "") == command
    assert command_lines("short", 30)[0].plain == "short"


def test_the_routes_lead_back_the_way_the_user_came() -> None:
    feed, listen, lend, take = routes({"SSH_CONNECTION": "10.0.0.2 50000 10.0.0.7 2222"})
    assert "| ssh -p 2222 " in feed.command
    assert "@10.0.0.7 " in feed.command
    assert feed.command.endswith(" feed")
    assert listen.command.endswith(" listen --stdin --json")
    assert lend.command.startswith("ssh -R 4713:$XDG_RUNTIME_DIR/pulse/native -p 2222 ")
    assert take.command.startswith("PULSE_SERVER=tcp:localhost:4713 ")
    assert "ssh -p" not in routes({"SSH_CONNECTION": "10.0.0.2 50000 10.0.0.7 22"})[0].command


def test_another_socket_is_named_in_the_command() -> None:
    assert routes({}, Path("/tmp/my feed.sock"))[0].command.endswith(" feed --socket '/tmp/my feed.sock'")
