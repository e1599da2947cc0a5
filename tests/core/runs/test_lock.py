import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from core.runs.lock import INHERITED, RunLock, holder, is_held
from tests.support.waiting import wait_until

HOLDER = """
import sys
from pathlib import Path
from core.runs.lock import RunLock
lock = RunLock(Path(sys.argv[1]))
print(lock.acquire(), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.lock"


def start_holder(path: Path) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    return process


def test_a_lock_that_nobody_ever_took_is_not_held(path: Path) -> None:
    assert not is_held(path)
    assert not path.exists()
    assert holder(path) is None


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, None])
def test_a_lock_is_held_exactly_as_long_as_its_process_lives(path: Path, end: signal.Signals | None) -> None:
    with start_holder(path) as process:
        assert is_held(path)
        owner = holder(path)
        assert owner is not None
        assert owner[0] == process.pid
        if end is None:
            assert process.stdin is not None
            process.stdin.close()
        else:
            process.send_signal(end)
        process.wait()
        assert not is_held(path)
        assert holder(path) == owner  # who held it last


def test_only_one_process_gets_it(path: Path) -> None:
    with start_holder(path) as process:
        assert not RunLock(path).acquire()
        with pytest.raises(BlockingIOError), RunLock(path):
            pass
        process.kill()


def test_looking_whether_it_is_held_does_not_keep_a_trainer_from_taking_it(path: Path) -> None:
    path.touch()
    done = threading.Event()
    looking = [threading.Thread(target=lambda: [is_held(path) for _ in iter(done.is_set, True)]) for _ in range(2)]
    for thread in looking:
        thread.start()
    try:
        for _ in range(20):
            with RunLock(path):
                assert is_held(path)
    finally:
        done.set()
        for thread in looking:
            thread.join()


def test_a_child_takes_over_the_open_lock_without_a_gap(path: Path) -> None:
    lock = RunLock(path)
    assert lock.acquire()
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        pass_fds=(lock.fileno(),),
        env=os.environ | {INHERITED: str(lock.fileno())},
    )
    lock.release()
    with process:
        assert is_held(path)  # before the child has run a line of its own
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        owner = holder(path)
        assert owner is not None
        assert owner[0] == process.pid
        process.kill()
        process.wait()
        wait_until(lambda: not is_held(path), "the lock's release")


def test_a_descriptor_on_another_file_is_not_a_lock(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "other").open("w") as other, start_holder(path) as process:
        monkeypatch.setenv(INHERITED, str(other.fileno()))
        assert not RunLock(path).acquire()
        process.kill()
