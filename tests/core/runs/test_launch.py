import os
import signal
from pathlib import Path

import pytest

from core.runs.control import request
from core.runs.directory import create
from core.runs.folder import RunFolder
from core.runs.launch import launch
from core.runs.lock import holder
from core.util.errors import UserError
from tests.support.waiting import wait_until

STAND_IN = '''
"""Takes the run's lock, as the trainer does, says so, and waits to be stopped."""
import os, sys
from pathlib import Path
from core.runs.control import ControlReader
from core.runs.journal.events import Warned
from core.runs.folder import RunFolder
from core.runs.journal.journal import Journal
from core.runs.lock import RunLock
import time

run = RunFolder(Path(sys.argv[1]))
with RunLock(run.lock_path):
    journal = Journal(run.journal_path)
    journal.write(Warned(message=f"{os.getpid()} {os.getsid(0)} {sys.stdin.read()!r}"))
    print("on standard output")
    os.write(2, b"from a native library\\n")
    control = ControlReader(run.path)
    while (asked := control.poll()) is None:
        time.sleep(0.01)
    journal.write(Warned(message=asked.request))
'''


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    (tmp_path / "stand_in_trainer.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return create(tmp_path / "runs", {"data": "x"}, "x", "m")


def words(run: RunFolder) -> list[str]:
    return [line.text for line in run.state().log]


def test_the_trainer_runs_in_a_session_of_its_own_with_its_output_in_a_file(run: RunFolder) -> None:
    pid = launch(run, module="stand_in_trainer")
    assert run.state().status == "running"  # at once, before the trainer has run a line
    wait_until(lambda: words(run), "the trainer's first word")
    assert words(run) == [f"{pid} {pid} ''"]
    owner = holder(run.lock_path)
    assert owner is not None
    assert owner[0] == pid
    request(run.path, "stop")
    wait_until(lambda: not run.is_alive(), "the trainer's end")
    assert words(run)[-1] == "stop"
    assert run.trainer_log_path.read_text() == "on standard output\nfrom a native library\n"


def test_a_run_is_launched_only_once(run: RunFolder) -> None:
    pid = launch(run, module="stand_in_trainer")
    with pytest.raises(UserError, match="is running already"):
        launch(run, module="stand_in_trainer")
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not run.is_alive(), "the lock's release")
    assert run.state().status == "lost"


def test_a_request_to_an_earlier_life_is_not_obeyed_by_the_next(run: RunFolder) -> None:
    request(run.path, "stop")
    pid = launch(run, module="stand_in_trainer")
    wait_until(lambda: words(run), "the trainer's first word")
    assert not run.control_path.exists()
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not run.is_alive(), "the lock's release")


def test_a_trainer_that_cannot_even_begin_is_lost_and_its_log_says_why(run: RunFolder) -> None:
    launch(run, module="no_such_trainer")
    wait_until(lambda: not run.is_alive(), "the trainer's end")
    assert run.state().status == "lost"
    assert "No module named no_such_trainer" in run.trainer_log_path.read_text()


def test_no_zombie_stays_behind(run: RunFolder) -> None:
    pid = launch(run, module="no_such_trainer")
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the process's disappearance")
