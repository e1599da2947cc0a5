"""Decisions about labels outlive crashes, add up over sessions, and can be taken back."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from core.dataset.clip import Clip
from core.dataset.labels.decisions import (
    DECISION_COLUMNS,
    EXCLUDED,
    Decision,
    current,
    decided,
    labels_with,
    read_overlay,
)
from core.labelling.overlay import Overlay, merged, revert
from core.util.errors import UserError

ROOT = Path("/music")


def clip(path: str, content: str, genre: str = "rock") -> Clip:
    return Clip(ROOT / path, genre, Path(path).stem, content, 22_050, 1, "AU", 30.0)


ONE, TWO = clip("rock/one.au", "11"), clip("rock/two.au", "22")


def test_decisions_are_kept_and_undone_one_by_one(tmp_path: Path) -> None:
    overlay = Overlay(tmp_path / "labels.csv")
    overlay.decide(ONE, "rock/one.au", "metal", "rock")
    overlay.decide(ONE, "rock/one.au", 'punk, "new"', "metal", "suggestion")
    overlay.decide(TWO, "rock/two.au", EXCLUDED, "rock")
    assert labels_with([ONE, TWO], ROOT, overlay.current()) == ['punk, "new"', None]
    assert labels_with([ONE, TWO], ROOT, current(read_overlay(overlay.path))) == ['punk, "new"', None]
    for expected in (['punk, "new"', "rock"], ["metal", "rock"], ["rock", "rock"]):
        assert len(overlay.undo()) == 1
        assert labels_with([ONE, TWO], ROOT, overlay.current()) == expected
    assert overlay.undo() == []
    overlay.decide_all([(ONE, "rock/one.au", "rock"), (TWO, "rock/two.au", "rock")], "pop")
    assert labels_with([ONE, TWO], ROOT, overlay.current()) == ["pop", "pop"]
    assert len(overlay.undo()) == 2
    assert labels_with([ONE, TWO], ROOT, overlay.current()) == ["rock", "rock"]
    overlay.close()


def test_sessions_that_write_at_once_add_up(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    first, second = Overlay(path), Overlay(path)
    first.decide(ONE, "rock/one.au", "metal", "rock")
    second.decide(TWO, "rock/two.au", "pop", "rock")
    first.undo()
    assert labels_with([ONE, TWO], ROOT, second.current()) == ["rock", "pop"]
    first.close()
    second.close()
    elsewhere = [Decision("rock/one.au", "11", "blues", "rock", "2999-01-01T00:00:00.000+00:00", "key")]
    together = merged(elsewhere, read_overlay(path), read_overlay(path))
    assert len(together) == len(read_overlay(path)) + 1
    assert labels_with([ONE, TWO], ROOT, current(together)) == ["blues", "pop"]


def test_a_renamed_file_is_known_and_copies_are_distinguished() -> None:
    copy = clip("pop/copy.au", "11", "pop")
    decision = Decision("rock/one.au", "11", "metal", "rock", "", "key")
    assert decided([ONE, copy], ROOT, current([decision])) == [decision, None]
    assert decided([clip("metal/renamed.au", "11")], ROOT, current([decision])) == [decision]


@pytest.mark.parametrize("cut", range(2, 40, 3))
def test_a_torn_last_row_costs_only_itself(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "labels.csv"
    overlay = Overlay(path)
    overlay.decide(ONE, "rock/one.au", "metal", "rock")
    overlay.decide(TWO, "rock/two.au", "pop", "rock")
    overlay.close()
    path.write_bytes(path.read_bytes()[:-cut])
    assert [decision.path for decision in read_overlay(path)] == ["rock/one.au"]
    again = Overlay(path)
    again.decide(TWO, "rock/two.au", "jazz", "rock")
    again.close()
    assert [decision.label for decision in read_overlay(path)] == ["metal", "jazz"]


def test_a_file_that_is_something_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "index.csv"
    path.write_text("path,genre\nrock/one.au,rock\n")
    with pytest.raises(UserError, match="is not a file of label decisions"):
        Overlay(path)
    with pytest.raises(UserError, match="cannot be read"):
        read_overlay(tmp_path / "missing.csv")
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(UserError, match="not a regular file"):
        read_overlay(tmp_path / "fifo")
    assert path.read_text() == "path,genre\nrock/one.au,rock\n"


def test_reverting_restores_every_first_label(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    overlay = Overlay(path)
    for label, previous in (("metal", "rock"), ("pop", "metal")):
        overlay.decide(ONE, "rock/one.au", label, previous)
    overlay.close()
    assert revert(path) == 1
    assert labels_with([ONE], ROOT, current(read_overlay(path))) == ["rock"]
    assert revert(path) == 0


def test_a_killed_session_loses_at_most_the_decision_in_progress(tmp_path: Path) -> None:
    """The process says each number when its decision is on disk, and is killed without warning."""
    path = tmp_path / "labels.csv"
    code = (
        "import sys; from pathlib import Path; from core.labelling.overlay import Overlay\n"
        "from core.dataset.clip import Clip\n"
        "overlay = Overlay(Path(sys.argv[1]))\n"
        "for i in range(200):\n"
        "    clip = Clip(Path(f'rock/{i}.au'), 'rock', str(i), f'{i:032x}', 22_050, 1, 'AU', 30.0)\n"
        "    overlay.decide(clip, f'rock/{i}.au', 'pop', 'rock')\n"
        "    print(i, flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = [int(next(process.stdout)) for _ in range(60)]
        process.send_signal(signal.SIGKILL)
        said += [int(line) for line in process.stdout if line.endswith("\n")]
    kept = [decision.path for decision in read_overlay(path)]
    assert kept[: len(said)] == [f"rock/{i}.au" for i in said]
    assert len(kept) <= len(said) + 1
    assert path.read_text().startswith(",".join(DECISION_COLUMNS) + "\n")
