"""``classify`` in several processes answers as one does."""

import csv
import json
from pathlib import Path

import pytest

from core.util.errors import UserError
from tests.support.commands import call
from tests.support.paths import ROOT
from tests.support.small_model import shared_model, shared_sounds
from tui.commands.classify.shards import share, shared_table
from tui.commands.exit_codes import DONE, FAILED, USAGE, UsageError


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
    given = ("--model", shared_model(), "--json", shared_sounds(), tmp_path / "bad.wav", "--csv")
    one = call("classify", *given, tmp_path / "one.csv")
    two = call("classify", "--nproc", "2", *given, tmp_path / "two.csv")
    assert (one.returncode, two.returncode) == (FAILED, FAILED)
    alone, together = ({json.loads(line)["path"]: line for line in done.stdout.splitlines()} for done in (one, two))
    assert len(alone) > 10 and together == alone
    assert "bad.wav" in two.stderr
    assert (tmp_path / "two.csv").read_text() == (tmp_path / "one.csv").read_text()


def test_tables_of_processes_that_shared_the_files_are_dealt_back(tmp_path: Path) -> None:
    rows = [[f"{number}", "a\nb"] for number in range(5)]
    with shared_table(tmp_path / "all.csv", 3) as parts:
        for number, part in enumerate(parts):
            with part.open("w", newline="") as file:
                csv.writer(file).writerows([["number", "text"], *rows[number::3]])
        assert not (tmp_path / "all.csv").exists()
    with (tmp_path / "all.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [["number", "text"], *rows]


def test_after_an_error_there_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(SystemExit), shared_table(tmp_path / "all.csv", 2):
        raise SystemExit(2)
    assert not list(tmp_path.iterdir())
    with pytest.raises(UserError, match="cannot be written"), shared_table(tmp_path / "no" / "all.csv", 2):
        pass


def test_a_shard_is_its_part() -> None:
    files = sorted((shared_sounds() / "saw-wall").iterdir())
    done = call("classify", "--model", shared_model(), "--json", "--shard", "2/3", *files)
    assert done.returncode == DONE
    assert [json.loads(line)["path"] for line in done.stdout.splitlines()] == [str(path) for path in files[1::3]]


@pytest.mark.parametrize("option", [("--csv", "-"), ("--playlists", "lists"), ("--write-tags",)])
def test_what_several_processes_cannot_write_together_is_refused(option: tuple[str, ...]) -> None:
    done = call("classify", "--nproc", "2", *option, shared_sounds())
    assert done.returncode == USAGE
    assert done.stderr.count("\n") == 1 and "--nproc" in done.stderr
