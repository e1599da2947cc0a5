"""``classify`` in several processes answers as one does."""

import json
from pathlib import Path

import pytest

from tests.core.inference.small_model import shared_model, shared_sounds
from tests.tui.commands import ROOT, call
from tui.commands.shards import share
from tui.exits import DONE, FAILED, USAGE, UsageError


@pytest.fixture(autouse=True)
def places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("GENRE_TUI_RUNS", raising=False)


def test_shares_are_every_item_once() -> None:
    items = list(range(11))
    assert share(items, None) == items
    assert sorted(item for i in (1, 2, 3) for item in share(items, f"{i}/3")) == items
    for wrong in ("0/2", "3/2", "1", "a/b", "-1/2"):
        with pytest.raises(UsageError):
            share(items, wrong)


@pytest.mark.slow
def test_two_processes_answer_as_one_does(tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_bytes(b"RIFF")
    given = ("--model", shared_model(), "--json", shared_sounds(), tmp_path / "bad.wav")
    one, two = call("classify", *given), call("classify", "--nproc", "2", *given)
    assert (one.returncode, two.returncode) == (FAILED, FAILED)
    alone, together = ({json.loads(line)["path"]: line for line in done.stdout.splitlines()} for done in (one, two))
    assert len(alone) > 10 and together == alone
    assert "bad.wav" in two.stderr


def test_a_shard_is_its_part() -> None:
    files = sorted((shared_sounds() / "saw-wall").iterdir())
    done = call("classify", "--model", shared_model(), "--json", "--shard", "2/3", *files)
    assert done.returncode == DONE
    assert [json.loads(line)["path"] for line in done.stdout.splitlines()] == [str(path) for path in files[1::3]]


def test_what_several_processes_cannot_write_together_is_refused(tmp_path: Path) -> None:
    done = call("classify", "--nproc", "2", "--csv", tmp_path / "x.csv", shared_sounds())
    assert done.returncode == USAGE
    assert done.stderr.count("\n") == 1 and "--nproc" in done.stderr
