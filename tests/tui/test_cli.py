"""The command line without a trainer."""

import contextlib
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from core.runs.directory import create, list_runs
from core.runs.folder import RunFolder
from core.runs.lock import RunLock
from tests.support.commands import call
from tests.support.event_sequences import beginning, epoch, whole_run, write_journal
from tests.support.paths import ROOT
from tui import cli
from tui.commands.parser import COMMANDS
from tui.shell.printing import DONE, FAILED, INTERRUPTED, USAGE

HEAVY = {"textual", "torch", "torchaudio", "numpy", "sklearn", "matplotlib", "msgspec", "soundfile", "av"}


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("GENRE_TUI_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("GENRE_TUI_RUNS", raising=False)


def make_run(runs: Path, name: str) -> RunFolder:
    recipe = {"data": "/music/genres", "model": "small_cnn", "epochs": 3}
    return create(runs, recipe, "music", "small_cnn", name=name)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two runs: an old one that is lost, and a new one that is finished."""
    folder = tmp_path / "runs"
    write_journal(make_run(folder, "2026-01_lost").journal_path, [*beginning(), *epoch(1)])
    write_journal(make_run(folder, "2026-02_done").journal_path, whole_run())
    return folder


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    code = f"import sys; from tui.cli import main; assert main({arguments}) == 0; print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in eval(done.stdout.splitlines()[-1])}
    assert not loaded & HEAVY


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_a_command_loads_no_torch_and_no_textual_until_it_runs(command: str) -> None:
    code = (
        f"import sys; from tui.cli import main; assert main([{command!r}, '--help']) == 0; print(sorted(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert command in done.stdout
    loaded = {name.split(".")[0] for name in eval(done.stdout.splitlines()[-1])}
    assert not loaded & {"textual", "torch", "torchaudio", "sklearn", "matplotlib"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["frobnicate"],
        ["--frobnicate"],
        ["show"],
        ["show", "a", "--json", "--csv"],
        ["train"],
        ["train", ".", "--epochs", "many"],
        ["train", ".", "--preset", "none"],
        ["train", ".", "--epochs", "0"],
        ["train", ".", "--epochs", "999999999999"],
        ["train", ".", "--learning-rate", "nan"],
        ["train", ".", "--learning-rate", "inf"],
        ["train", ".", "--set", "optimiser.warmup=2"],
        ["train", ".", "--set", "epochs"],
        ["train", ".", "--set", "no_such_field=1"],
        ["train", ".", "--set", "no_such_group.field=1"],
        ["train", ".", "--set", "optimiser.learning_rate=fast"],
        ["train", ".", "--crop-seconds", "1000"],
        ["data"],
        ["data", "frobnicate"],
        ["data", "demo", "--clips", "0"],
    ],
)
def test_wrong_usage_is_said_in_a_line_or_two(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(arguments) == USAGE
    said = capsys.readouterr()
    assert said.out == ""
    assert "genre-tui" in said.err
    assert "Traceback" not in said.err
    assert not (tmp_path / "runs").exists()


def test_runs_as_a_table_and_as_json(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["runs", "--runs", str(runs)]) == DONE
    heading, done, lost = capsys.readouterr().out.splitlines()
    assert heading.split()[:2] == ["name", "state"]
    assert done.split()[:3] == ["2026-02_done", "finished", "3/3"]
    assert lost.split()[:3] == ["2026-01_lost", "lost", "1/3"]
    assert cli.main(["--runs", str(runs), "runs", "--json"]) == DONE
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["name"] for row in rows] == ["2026-02_done", "2026-01_lost"]
    assert set(rows[0]) >= {
        "name",
        "state",
        "path",
        "model",
        "dataset",
        "epochs_done",
        "epochs",
        "best_val_accuracy",
        "test_accuracy",
        "started",
        "seconds",
    }


def test_the_runs_folder_from_the_environment(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GENRE_TUI_RUNS", str(runs))
    assert cli.main(["runs", "--json"]) == DONE
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_a_runs_folder_with_the_name_of_a_command(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs.rename(runs.with_name("stop"))
    assert cli.main(["--runs", str(runs.with_name("stop")), "show", "2026-02", "--json"]) == DONE
    assert json.loads(capsys.readouterr().out.splitlines()[0])
    with contextlib.chdir(runs.parent):
        assert cli.main(["--runs", "stop", "show", "2026-02", "--json"]) == DONE


def test_no_runs_yet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["runs", "--runs", str(tmp_path / "none")]) == DONE
    said = capsys.readouterr()
    assert said.out == ""
    assert "genre-tui train" in said.err


def test_show(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["show", "2026-02", "--once", "--runs", str(runs)]) == DONE
    frame = capsys.readouterr().out
    assert frame.startswith("2026-02_done · small_cnn · music · a CPU\nfinished · epoch 3/3 · ")
    assert "*  3" in frame
    assert "a report" in frame
    assert cli.main(["show", "2026-02_done", "--json", "--runs", str(runs)]) == DONE
    state = json.loads(capsys.readouterr().out)
    assert (state["name"], state["state"], state["recipe"]["epochs"]) == ("2026-02_done", "finished", 3)
    keys = {"epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds"}
    assert set(state["history"][0]) >= keys
    assert set(state["test"]) >= {"loss", "accuracy", "report", "confusion"}
    assert cli.main(["show", str(runs / "2026-02_done"), "--csv"]) == DONE
    heading, *rows = capsys.readouterr().out.splitlines()
    assert heading.startswith("epoch,train_loss,train_accuracy,val_loss,val_accuracy,learning_rate,seconds")
    assert len(rows) == 3
    assert rows[0].startswith("1,2.0,0.5,2.5,0.4,0.001,4.5")


def test_show_of_a_run_that_has_only_begun(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(runs, "new")
    assert cli.main(["show", "new", "--runs", str(runs)]) == DONE
    assert capsys.readouterr().out.startswith("new · small_cnn · music\ncreated · epoch 0/3")


@pytest.mark.parametrize("command", ["show", "stop", "pause", "resume", "extend --epochs 5"])
def test_a_run_that_is_not_there_or_not_the_only_one(
    command: str, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, *options = command.split()
    assert cli.main([name, "2027", *options, "--runs", str(runs)]) == FAILED
    assert "begins so" in capsys.readouterr().err
    assert cli.main([name, "2026", *options, "--runs", str(runs)]) == FAILED
    assert "2 runs begin with '2026'" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["stop", "pause"])
def test_nobody_to_ask(command: str, runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([command, "2026-02", "--runs", str(runs)]) == FAILED
    assert "2026-02_done is finished, not running" in capsys.readouterr().err


def test_a_finished_run_is_not_resumed_and_not_extended_to_what_it_has(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["resume", "2026-02", "--runs", str(runs)]) == FAILED
    assert "extend" in capsys.readouterr().err
    assert cli.main(["extend", "2026-02", "--epochs", "3", "--runs", str(runs)]) == USAGE
    assert "3 epochs already" in capsys.readouterr().err
    assert cli.main(["extend", "2026-02", "--epochs", "-3", "--runs", str(runs)]) == USAGE


def test_a_trainer_that_does_not_answer(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("core.runs.control.wait_for_answer.__defaults__", (0.1,))
    run = make_run(runs, "deaf")
    with RunLock(run.lock_path):
        write_journal(run.journal_path, beginning())
        assert cli.main(["pause", "deaf", "--runs", str(runs)]) == FAILED
    said = capsys.readouterr().err
    assert "has not answered" in said
    assert "kill -9" in said


@pytest.mark.parametrize("files", [{}, {"genres/a/1.wav": b""}, {"a/1.wav": b"RIFF", "b/1.wav": b"junk"}])
def test_an_unusable_dataset_makes_no_run(
    files: dict[str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for name, content in files.items():
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_bytes(content)
    assert cli.main(["train", str(data), "--runs", str(tmp_path / "runs")]) == FAILED
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert list_runs(tmp_path / "runs") == []


@pytest.mark.parametrize("command", ["train", "classify"])
def test_a_name_too_long_for_a_file_is_one_sentence(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([command, "x" * 300]) == FAILED
    assert capsys.readouterr().err.splitlines()[-1].endswith("cannot be used: file name too long")


def test_data_demo_and_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "demo", str(tmp_path / "demo"), "--clips", "3", "--seconds", "1"]) == DONE
    genres = Path(capsys.readouterr().out.strip())
    assert genres == tmp_path / "demo" / "genres"
    assert cli.main(["data", "check", str(genres)]) == DONE
    assert "30 clips in 10 genres" in capsys.readouterr().out
    (genres / "pad-dark" / "broken.wav").write_bytes(b"")
    assert cli.main(["data", "check", str(genres), "--json"]) == FAILED
    report = json.loads(capsys.readouterr().out)
    assert report["clips"] == 30
    assert report["excluded"][0]["path"] == "pad-dark/broken.wav"


def test_an_unexpected_error_is_one_sentence_and_a_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_args: object) -> int:
        raise ZeroDivisionError("by\nnought")

    monkeypatch.setattr(import_module("tui.commands.runs.show"), "list_runs", broken)
    assert cli.main(["runs"]) == FAILED
    (line,) = capsys.readouterr().err.splitlines()
    assert "ZeroDivisionError: by nought" in line
    log = Path(line.rpartition("see ")[2])
    assert log.is_relative_to(tmp_path)
    assert "Traceback" in log.read_text()


def test_an_interrupt(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(_args: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(import_module("tui.commands.runs.show"), "list_runs", interrupted)
    assert cli.main(["runs"]) == INTERRUPTED
    assert capsys.readouterr().err == "genre-tui: interrupted\n"


def test_a_closed_pipe_is_not_an_error(tmp_path: Path) -> None:
    for n in range(200):
        make_run(tmp_path / "runs", f"run-{n:03d}-{'x' * 150}")
    command = f"{sys.executable} -m tui.cli runs --runs {tmp_path / 'runs'} | head -1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True)
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == ""


def test_without_a_terminal_the_app_says_what_to_do_instead() -> None:
    done = call()
    assert done.returncode == FAILED
    assert "genre-tui" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_doctor_has_a_line_for_everything() -> None:
    done = call("doctor", "--json")
    findings = [json.loads(line) for line in done.stdout.splitlines()]
    assert {"python", "torch", "torchaudio", "soundfile", "pyav", "terminal", "runs", "cache"} <= {
        finding["what"] for finding in findings
    }
    assert all(finding["advice"] for finding in findings if finding["verdict"] == "missing")
    assert done.returncode == (FAILED if any(f["verdict"] == "missing" for f in findings) else DONE)


def test_too_little_memory_is_one_sentence(tmp_path: Path) -> None:
    command = 'ulimit -v 400000; exec "$0" -m tui.cli classify --model default "$1"'
    done = subprocess.run(["bash", "-c", command, sys.executable, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == FAILED
    (line,) = done.stderr.splitlines()
    assert "not enough memory within the limit of 0.4 GB" in line


def test_a_runs_folder_that_cannot_be_read_is_not_called_empty(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert cli.main(["runs", "--runs", str(tmp_path / "file")]) == FAILED
    assert "cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["doctor"], ["runs"], ["classify", "a.wav"], []])
def test_a_current_folder_that_has_been_deleted(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert cli.main(command) == FAILED
    assert capsys.readouterr().err.startswith("genre-tui: the current folder has been deleted")
