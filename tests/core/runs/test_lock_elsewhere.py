"""Two trainers never work on one run, also where the kernel does not show the locks of others."""

import errno
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core.runs import actions, lock
from core.runs.directory import create
from core.runs.folder import RunFolder, RunReader
from core.runs.launch import launch
from core.runs.lock import RunLock, holder, is_held
from core.util.errors import UserError
from tests.support.event_sequences import beginning, whole_run, write_journal
from tests.support.waiting import wait_until

HOLDER = """
import errno, fcntl, os, socket, sys
from pathlib import Path
from core.runs import lock
from core.runs.lock import RunLock
def flock(descriptor, operation):
    if sys.argv[3] != "local":
        raise OSError(int(sys.argv[3]), "no locks here")
fcntl.flock = flock
socket.gethostname = lambda: sys.argv[2]
lock.HEARTBEAT_SECONDS = 0.1
print(RunLock(Path(sys.argv[1])).acquire(), flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "WATCH_SECONDS", 1.0)


def start_holder(path: Path, host: str, locks: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", HOLDER, str(path), host, locks]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    return process


def without_locks(number: int) -> object:
    def flock(descriptor: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    return flock


@pytest.mark.parametrize("number", sorted(lock.UNSUPPORTED))
def test_without_flock_the_process_and_its_heartbeat_decide(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    path = tmp_path / "run.lock"
    monkeypatch.setattr(fcntl, "flock", without_locks(number))
    assert not lock.supports_locks(tmp_path)
    with start_holder(path, socket.gethostname(), str(number)) as process:
        assert is_held(path)
        assert not RunLock(path).acquire()
        process.kill()
        process.wait()
        assert not is_held(path)
        mine = RunLock(path)
        assert mine.acquire() and not mine.supported
        mine.release()


def test_a_lock_of_another_host_that_is_not_seen_here_is_respected(tmp_path: Path) -> None:
    path = tmp_path / "run.lock"
    with start_holder(path, "other-host", "local") as process:
        assert not RunLock(path).acquire()
        owner = holder(path)
        assert owner is not None and owner.host == "other-host"
        process.kill()
        process.wait()
    assert RunLock(path).acquire()  # after a while without a heartbeat


def test_a_released_lock_of_another_host_is_taken_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.lock"
    with monkeypatch.context() as patch:
        patch.setattr(socket, "gethostname", lambda: "other-host")
        with RunLock(path):
            pass
    monkeypatch.setattr(lock, "WATCH_SECONDS", 1e6)
    mine = RunLock(path)
    assert mine.acquire()
    mine.release()


def other_hosts_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, ended: bool = False) -> RunFolder:
    run = create(tmp_path, {"data": "/x", "model": "m", "epochs": 3}, "x", "m", name="theirs")
    with monkeypatch.context() as patch:
        patch.setattr(socket, "gethostname", lambda: "other-host")
        write_journal(run.journal_path, whole_run() if ended else beginning())
    return run


def test_a_run_that_another_host_wrote_to_recently_is_not_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = other_hosts_run(tmp_path, monkeypatch)
    state = run.state()
    assert (state.status, state.elsewhere, state.host) == ("running", True, "other-host")
    for act in (launch, actions.resume):
        with pytest.raises(UserError, match="is running on other-host"):
            act(run)
    with pytest.raises(UserError, match="runs on other-host"):
        actions.send_signal(run, signal.SIGTERM)


def test_one_that_ended_there_is_not_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert other_hosts_run(tmp_path, monkeypatch, ended=True).state().status == "finished"


def test_a_heartbeat_counts_whatever_the_other_clock_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = other_hosts_run(tmp_path, monkeypatch)
    monkeypatch.setattr("core.runs.folder.time.time", lambda: 0.0)
    reader = RunReader(run)
    reader.poll()
    assert reader.state.status == "lost"
    with start_holder(run.lock_path, "other-host", "local"):
        wait_until(lambda: reader.poll() and reader.state.status == "running", "a heartbeat", 10)


@pytest.mark.parametrize("with_locks", [True, False])
def test_after_a_reboot_a_run_is_lost_even_if_its_process_id_is_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_locks: bool
) -> None:
    run = create(tmp_path, {"data": "/x", "model": "m", "epochs": 3}, "x", "m", name="before")
    write_journal(run.journal_path, beginning())
    if not with_locks:
        monkeypatch.setattr(fcntl, "flock", without_locks(errno.ENOSYS))
    parent = f"{os.getppid()} {time.time():.6f} {socket.gethostname()}"
    run.lock_path.write_text(f"{parent} {lock.boot_id()}\n")
    assert run.is_alive() is not with_locks  # without locks, a process of this id in the same boot is the trainer
    monkeypatch.setattr(lock, "boot_id", lambda: "after the reboot")
    assert run.state().status == "lost"
    with pytest.raises(UserError, match="before is lost, not running: there is no trainer to stop"):
        actions.ask(run, "stop")
    with pytest.raises(UserError, match="The trainer has ended"):
        actions.send_signal(run, signal.SIGTERM)
    with RunLock(run.lock_path):
        assert holder(run.lock_path) is not None


def test_a_fifo_or_a_device_as_a_lock_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "run.lock")
    assert not is_held(tmp_path / "run.lock")
    with pytest.raises(OSError) as raised:
        RunLock(tmp_path / "run.lock").acquire()
    assert raised.value.errno == errno.EINVAL
