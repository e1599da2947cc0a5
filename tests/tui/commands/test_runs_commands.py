"""The commands that keep order among runs."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from core.runs.directory import register
from core.runs.folder import RunFolder
from core.runs.journal import events as ev
from core.runs.lock import RunLock
from tests.support import example_run as made_up_run
from tests.support.waiting import wait_until
from tui.cli import main


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three runs; two were tested on the same two clips, of which the second got one more right."""
    monkeypatch.setenv("GENRE_TUI_RUNS", str(tmp_path / "runs"))
    for name, wrong in (("first", ["a", "b"]), ("second", ["b"]), ("third", ["a"])):
        mistakes = [
            ev.Misclassified(path=f"/music/blues/{clip}.au", genre="blues", predicted="jazz", probability=0.5)
            for clip in wrong
        ]
        tested = msgspec.structs.replace(made_up_run.tested(20), accuracy=1 - len(wrong) / 2, misclassified=mistakes)
        events = [tested if isinstance(event, ev.TestFinished) else event for event in made_up_run.whole(20)]
        run = RunFolder(made_up_run.write_run(tmp_path / "runs" / name, events))
        clips = ["a", "b"] if name != "third" else ["a", "c"]
        rows = "".join(f"test,blues,{clip},{clip * 8}\n" for clip in clips)
        (run.path / "split.csv").write_text(f"part,genre,name,content\n{rows}")
    return tmp_path / "runs"


def output(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> str:
    assert main(list(arguments)) == status
    captured = capsys.readouterr()
    return captured.err if status else captured.out


def test_runs_are_compared_to_the_baseline(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "vs baseline" not in output(capsys, "runs")
    output(capsys, "pin", "first")
    cells = {line.split()[0]: line.split()[-2:] for line in output(capsys, "runs").splitlines()}
    assert cells["second"] == ["+50.0", "1.000"]
    assert cells["third"] == ["+50.0", "–"]
    assert cells["first"] == ["baseline", "–"]
    output(capsys, "pin", "first", "--remove")
    assert "vs baseline" not in output(capsys, "runs")
    assert output(capsys, "compare", "first", "second").splitlines()[2].split()[-2:] == ["+50.0", "1.000"]


def test_a_baseline_on_another_dataset_is_one_sentence(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    events = [msgspec.structs.replace(made_up_run.run_started(3), dataset="fma"), *made_up_run.whole(3)[1:]]
    made_up_run.write_run(runs / "other", events)
    assert main(["pin", "first"]) == 0
    sentence = "1 run was not trained on gtzan-mini as the baseline first was, and cannot be compared to it"
    assert sentence in capsys.readouterr().err.splitlines()
    assert main(["runs"]) == 0
    captured = capsys.readouterr()
    assert captured.err.splitlines() == [sentence]
    assert [line.split()[-2:] for line in captured.out.splitlines() if line.startswith("other")] == [["–", "–"]]
    assert main(["compare", "first", "other"]) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines()[2].split()[-2:] == ["–", "–"]
    assert captured.err == "not compared, because they were not trained on gtzan-mini: other\n"


def test_runs_are_filtered_sorted_and_cut(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output(capsys, "tag", "second", "paper")
    names = [line.split()[0] for line in output(capsys, "runs", "--sort=-test", "-n", "2").splitlines()[1:]]
    assert set(names) == {"second", "third"}
    assert output(capsys, "runs", "--filter", "name=first test<10%").splitlines()[1].startswith("first ")
    assert output(capsys, "runs", "--filter", "nothing") == ""


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["runs", "--filter", "val>"], "--filter: val> needs a value"),
        (["runs", "--sort", "tset"], "there is no column 'tset'; did you mean 'test'?"),
        (["runs", "-n", "0"], "-n takes a number of at least 1, not 0"),
        (["compare", "first"], "compare takes two runs or more"),
        (["queue", "first"], "name the place that the run moves to"),
        (["export", "first"], "name OUT, or --tensorboard DIR for a run's curves"),
        (["export", "first", "x.zip", "--follow"], "name --tensorboard DIR to --follow"),
        (["export", "first", "x.zip", "--tensorboard", "x"], "--tensorboard takes the place of OUT"),
    ],
)
def test_wrong_usage_is_one_sentence(
    runs: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    message = output(capsys, *arguments, status=2)
    assert sentence in message
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["queue", "first", "1"], "first is finished: only runs that are queued here can be moved"),
        (["tag", "first", "a\x1bb"], "cannot be a tag"),
        (["rm", "first", "nope"], "is called 'nope'"),
        (["restore", "nope"], "no run in the trash"),
        (["rename", "first", "second"], "already a run called second"),
        (["export", "first", "--tensorboard", "/dev/null/x"], "cannot be written (not a directory)"),
    ],
)
def test_wrong_input_is_one_sentence_and_changes_nothing(
    runs: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    message = output(capsys, *arguments, status=1)
    assert sentence in message
    assert len(message.splitlines()) == 1
    assert len(output(capsys, "runs").splitlines()) == 4


def test_what_moves_a_run_of_another_folder_takes_its_whole_name(
    runs: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    far = RunFolder(made_up_run.write_run(tmp_path / "elsewhere" / "far-away", made_up_run.whole(2)))
    register(far)
    for arguments in (["rm", "far"], ["rename", "far", "near"]):
        assert "'far' is the beginning of far-away in" in output(capsys, *arguments, status=1)
    assert far.exists()
    assert "far-away" in output(capsys, "show", "far", "--once")
    output(capsys, "rm", "far-away")
    assert not far.exists()


def test_a_run_is_renamed_deleted_and_restored(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output(capsys, "rename", "first", "other")
    output(capsys, "note", "other", "a note")
    output(capsys, "rm", "other", "second")
    assert output(capsys, "restore").split() == ["other", "second"]
    output(capsys, "restore", "other")
    assert output(capsys, "note", "other") == "a note\n"
    assert [line.split()[0] for line in output(capsys, "runs").splitlines()[1:]] == ["third", "other"]


def test_the_curves_of_a_live_run_are_exported_until_it_ends(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui.commands.models.FOLLOW_SECONDS", 0.01)
    path = made_up_run.write_run(runs / "live", made_up_run.midway(3))
    file = tmp_path / "board" / "live" / "events.out.tfevents.genre-tui"
    arguments = ["export", "live", "--tensorboard", str(tmp_path / "board"), "--follow"]
    with ThreadPoolExecutor(1) as threads, RunLock(path / "run.lock"):
        exported = threads.submit(main, arguments)
        wait_until(file.exists, "the beginning is written")
        first = file.stat().st_size
        made_up_run.append(path, [made_up_run.tested(3)])
        wait_until(lambda: file.stat().st_size > first, "the test is added")
        assert not exported.done()
        made_up_run.append(path, [ev.RunStopped(seconds=1.0, message="on request")])
        assert exported.result(timeout=20) == 0
