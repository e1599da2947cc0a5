"""Runs of another user on the same machine: what may be read is shown, everything else is one sentence."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.runs.directory import register
from core.runs.folder import RunFolder
from core.runs.lock import RunLock
from tests.support import example_run

NOBODY = 65534
AS_ROOT_WITHOUT_POWERS = (
    *("setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner"),
    *(sys.executable, "-m", "tui.cli"),
)


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Path]:
    """A runs folder that may only be read, with a live run, one that may not be entered, and a lost one."""
    runs = tmp_path / "shared"
    for name in ("live", "closed", "lost"):
        example_run.write_run(runs / name, example_run.midway(2))
        (runs / name / "recipe.json").write_text("{}")
    register(RunFolder(runs / "live"))
    register(RunFolder(runs / "closed"))
    with RunLock(runs / "live" / "run.lock"), RunLock(runs / "closed" / "run.lock"):
        if os.geteuid() == 0:
            for path in (runs, *runs.rglob("*")):
                os.chown(path, NOBODY, -1)
        for path in (*runs.glob("l*/*"), runs / "live", runs / "lost", runs):
            path.chmod(path.stat().st_mode & ~0o222)
        (runs / "closed").chmod(0o700 if os.geteuid() == 0 else 0)
        yield runs
    for path in (runs, *runs.iterdir()):
        path.chmod(0o755)


def genre_tui(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command as a user that does not own ``shared``."""
    program = AS_ROOT_WITHOUT_POWERS if os.geteuid() == 0 else (sys.executable, "-m", "tui.cli")
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        pytest.skip("root enters everywhere, and setpriv is not installed")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    return subprocess.run([*program, *arguments], cwd=folder, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["show", "{shared}/closed"], "{shared}/closed may not be read by this user"),
        (["runs", "--runs", "{shared}/closed"], "the runs folder {shared}/closed cannot be read: Permission denied"),
        (["stop", "{shared}/live"], "{shared}/live/control.json cannot be written: Permission denied"),
        (["note", "{shared}/live", "hello"], "{shared}/live/notes.json cannot be written: Permission denied"),
        (["resume", "{shared}/lost"], "no trainer can be started in {shared}/lost: Permission denied"),
        (["rename", "{shared}/lost", "mine"], "{shared}/lost cannot be renamed: Permission denied"),
        (["rm", "{shared}/lost"], "{shared}/lost cannot be moved to {shared}/.trash: Permission denied"),
        (["restore", "--runs", "{shared}/closed"], "the runs folder {shared}/closed/.trash cannot be read: Permission"),
    ],
)
def test_what_may_not_be_done_is_one_sentence(
    shared: Path, tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    done = genre_tui(tmp_path, *(argument.format(shared=shared) for argument in arguments))
    assert done.returncode == 1
    assert done.stderr.startswith(f"genre-tui: {sentence.format(shared=shared)}")
    assert len(done.stderr.splitlines()) == 1
    assert not (shared / "live" / "control.json").exists()


def test_what_may_be_read_is_shown_and_the_rest_left_out(shared: Path, tmp_path: Path) -> None:
    listed = genre_tui(tmp_path, "runs", "--runs", str(shared))
    states = {tuple(line.split()[:2]) for line in listed.stdout.splitlines()[1:]}
    assert states == {("live", "running"), ("lost", "lost")}
    assert "epoch 3/20" in genre_tui(tmp_path, "show", str(shared / "live"), "--once").stdout
    assert [line.split()[0] for line in genre_tui(tmp_path, "runs").stdout.splitlines()[1:]] == ["live"]
    assert genre_tui(tmp_path, "stop", "closed").returncode == 1
