"""``classify`` in several processes answers as one does."""

import argparse
import json
import time
import zipfile
from pathlib import Path
from queue import Queue

import pytest
import soundfile

from tests.support.commands import call
from tests.support.paths import ROOT
from tests.support.small_model import shared_model, shared_sounds
from tui.commands.classify.shards import Processes, share
from tui.shell.printing import DONE, FAILED, USAGE, UsageError


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
def test_the_clock_starts_with_the_first_process_that_is_ready() -> None:
    """They begin to classify while the others still load the model: what is done by then took time too."""
    sounds = sorted(shared_sounds().rglob("*.au"))[:2]
    given = argparse.Namespace(nproc=2, device="cpu", jobs=1, overlap=0.0, nearest=0, skip_existing=False)
    started = time.monotonic()
    processes = Processes(given, shared_model(), sounds, None)
    ready = time.monotonic()
    assert len(list(processes.results())) == 2
    assert started < processes.began < ready
    processes._receive(Queue(), processes.ready, None)
    assert processes.began < ready


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


@pytest.mark.slow
def test_processes_and_joined_parts_name_the_nearest_training_clips(tmp_path: Path) -> None:
    sounds = sorted(shared_sounds().rglob("*.au"))[:4]
    done = call("classify", "--model", "default", "--json", "--nearest", "2", "--nproc", "2", *sounds)
    nearest = [json.loads(line)["nearest"] for line in done.stdout.splitlines()]
    assert done.returncode == DONE and [len(near) for near in nearest] == [2] * 4
    (tmp_path / "part.jsonl").write_text(done.stdout)
    joined = call("classify", "--join", tmp_path / "part.jsonl", "--json")
    assert joined.stdout == done.stdout
    table = call("classify", "--join", tmp_path / "part.jsonl").stdout
    assert f"sounds like {nearest[0][0]['genre']}/{nearest[0][0]['name']}, " in table


@pytest.mark.slow
def test_several_processes_write_tags_and_playlists_and_read_archives(tmp_path: Path) -> None:
    music = tmp_path / "music"
    music.mkdir()
    for number, sound in enumerate(sorted(shared_sounds().rglob("*.au"))[:3]):
        y, rate = soundfile.read(sound)
        soundfile.write(music / f"{number}.flac", y, rate)
    with zipfile.ZipFile(tmp_path / "more.zip", "w") as archive:
        archive.write(sound, "inside.au")
    done = call(
        *("classify", "--nproc", "2", "--model", shared_model(), "--json", "--playlists", tmp_path / "lists"),
        *("--write-tags", "--yes", "--csv", tmp_path / "all.csv", music, tmp_path / "more.zip"),
    )
    assert done.returncode == FAILED  # of the archive neither tags nor playlists can be written
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [Path(answer["path"]).name for answer in answers] == ["0.flac", "1.flac", "2.flac", "inside.au"]
    assert [answer["tag"]["written"] for answer in answers[:3]] == [True] * 3
    listed = "".join(path.read_text() for path in (tmp_path / "lists").iterdir())
    assert all(f"{number}.flac" in listed for number in range(3))
    assert "wrote 3 files" in done.stderr
    undone = call("classify", "--undo-tags")
    assert undone.returncode == DONE and "undid 3 changes" in undone.stderr


@pytest.mark.slow
def test_a_model_that_none_of_the_processes_can_load_is_reported_once(tmp_path: Path) -> None:
    (tmp_path / "no.pth").write_bytes(b"no model")
    done = call("classify", "--nproc", "2", "--model", tmp_path / "no.pth", shared_sounds())
    assert done.returncode == FAILED
    assert done.stderr.count("\n") == 1 and "no.pth" in done.stderr


def test_the_share_of_a_slurm_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_PROCID", raising=False)
    with pytest.raises(UsageError, match="srun"):
        share([1, 2, 3], "slurm")
    monkeypatch.setenv("SLURM_PROCID", "1")
    monkeypatch.setenv("SLURM_NTASKS", "2")
    assert share([1, 2, 3], "slurm") == [2]


@pytest.mark.slow
def test_shards_are_joined_in_the_order_of_the_files(tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_bytes(b"RIFF")
    given = ("classify", "--model", shared_model(), "--json", shared_sounds(), tmp_path / "bad.wav")
    whole = call(*given, "--csv", tmp_path / "whole.csv")
    for number in (1, 2, 3):
        part = call(*given, "--shard", f"{number}/3")
        (tmp_path / f"part-{number}.jsonl").write_text(part.stdout)
    parts = sorted(tmp_path.glob("part-*.jsonl"), reverse=True)
    joined = call("classify", "--join", *parts, "--json", "--csv", tmp_path / "joined.csv")
    assert joined.returncode == FAILED  # one of the files is unreadable
    one, other = ([json.loads(line) for line in done.stdout.splitlines()] for done in (whole, joined))
    assert other[:-1] == one[:-1]
    assert other[-1]["accuracy"] == one[-1]["accuracy"]
    assert (tmp_path / "joined.csv").read_text() == (tmp_path / "whole.csv").read_text()


def results(path: Path, count: int) -> Path:
    lines = ({"path": f"{number}.wav", "error": "is too short"} for number in range(count))
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_a_part_that_is_shorter_than_the_others_is_reported(tmp_path: Path) -> None:
    parts = [results(tmp_path / f"part-{number}.jsonl", count) for number, count in enumerate((4, 2, 4), start=1)]
    done = call("classify", "--join", *parts)
    assert "part-1.jsonl 4, part-2.jsonl 2, part-3.jsonl 4" in done.stderr


def test_parts_are_joined_by_their_numbers(tmp_path: Path) -> None:
    for number in range(1, 12):
        path = tmp_path / f"part-{number}.jsonl"
        path.write_text(json.dumps({"path": f"{number}.wav", "error": "is too short"}) + "\n")
    done = call("classify", "--join", "--json", *sorted(tmp_path.iterdir()))
    assert [json.loads(line)["path"] for line in done.stdout.splitlines()] == [f"{n}.wav" for n in range(1, 12)]


def test_a_part_that_holds_something_else_is_reported(tmp_path: Path) -> None:
    (tmp_path / "part.jsonl").write_text('{"genre": "jazz"}\n')
    done = call("classify", "--join", tmp_path / "part.jsonl")
    assert done.returncode == FAILED
    assert "line 1" in done.stderr and "classify --json" in done.stderr


def test_a_shard_is_its_part() -> None:
    files = sorted((shared_sounds() / "saw-wall").iterdir())
    done = call("classify", "--model", shared_model(), "--json", "--shard", "2/3", *files)
    assert done.returncode == DONE
    assert [json.loads(line)["path"] for line in done.stdout.splitlines()] == [str(path) for path in files[1::3]]


def test_a_file_of_two_parts_counts_once(tmp_path: Path) -> None:
    part = tmp_path / "part.jsonl"
    part.write_text('{"path":"a.mp3","error":"is empty"}\n')
    done = call("classify", "--join", part, part, "--json")
    assert len(done.stdout.splitlines()) == 1
    assert "1 result of files that another part has, too: the first of each counts" in done.stderr


@pytest.mark.parametrize("option", [("--nproc", "2"), ("--shard", "1/2"), ("--model", "m"), ("--skip-existing",)])
def test_joining_classifies_nothing(option: tuple[str, ...]) -> None:
    done = call("classify", "--join", *option, "part.jsonl")
    assert done.returncode == USAGE
    assert done.stderr.count("\n") == 1 and "--join" in done.stderr
