"""The commands on real runs: the trainer is a process of its own, as it is for users."""

import http.server
import json
import os
import shutil
import signal
import threading
from pathlib import Path

import pytest

from core.dataset.synthetic import make_demo
from core.runs.directory import find, list_runs
from core.runs.folder import RunFolder
from core.runs.lock import holder
from tests.support.commands import call, start
from tests.support.paths import ROOT
from tests.support.waiting import wait_until
from tui.shell.printing import DONE, FAILED, INTERRUPTED

pytestmark = pytest.mark.slow

TINY = ("--set", "front_end.seconds=2", "--crop-seconds", "1", "--device", "cpu", "--batch-size", "4")
FOREVER = ("--epochs", "100000", "--set", "spectrograms=false")
PATIENCE = 90.0
"""Seconds for what a trainer does on a busy machine; torch alone takes several to load."""


@pytest.fixture(scope="module")
def genres(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two of the ten synthetic genres, six clips of two seconds each."""
    folder = make_demo(tmp_path_factory.mktemp("demo"), clips_per_genre=6, seconds=2.0)
    for genre in sorted(folder.iterdir())[2:]:
        shutil.rmtree(genre)
    return folder


@pytest.fixture(autouse=True)
def places(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("GENRE_TUI_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("GENRE_TUI_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def the_run() -> RunFolder:
    return find(Path(os.environ["GENRE_TUI_RUNS"]))


def wait_for_epoch(run: RunFolder, epochs: int = 1) -> None:
    wait_until(lambda: run.state().epochs_done >= epochs or run.state().end, f"epoch {epochs}", PATIENCE)
    assert run.state().status == "running", run.state().end_message


def end(run: RunFolder) -> None:
    """Whatever a test came to, no trainer stays behind."""
    if run.is_alive() and (owner := holder(run.lock_path)) is not None:
        os.kill(owner[0], signal.SIGKILL)
        wait_until(lambda: not run.is_alive(), "the trainer's end")


def test_a_headless_run_to_its_report_and_on_by_extending_it(genres: Path) -> None:
    posts: list[dict[str, object]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posts.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        hook = f"http://127.0.0.1:{server.server_port}"
        done = call("train", genres, *TINY, "--epochs", "2", "--name", "first", "--webhook", hook, "--bell")
        wait_until(lambda: posts, "the webhook's post")
        server.shutdown()
    assert done.returncode == DONE, done.stderr
    assert [line.split()[1:3] for line in done.stdout.splitlines() if " epoch " in line][:2] == [
        ["epoch", "1:"],
        ["epoch", "2:"],
    ]
    assert "macro avg" in done.stdout
    assert done.stdout.endswith("\a")
    assert "run first: finished" in done.stderr
    assert posts[0]["state"] == "finished"
    run = the_run()
    for path in (
        "best_model.pth",
        "last.pth",
        "training_log.txt",
        "report.json",
        "report.txt",
        "Plots/loss_curves.png",
    ):
        assert (run.path / path).is_file(), path

    evaluated = call("evaluate", "first", genres, "--json")
    assert evaluated.returncode == DONE, evaluated.stderr
    figures = json.loads(evaluated.stdout)
    assert set(figures) >= {"accuracy", "loss", "macro_f1", "report", "confusion", "clips", "protocol"}
    assert figures["clips"] == 2  # the test part: one of each genre

    more = call("extend", "first", "--epochs", "+1")
    assert more.returncode == DONE, more.stderr
    assert "epoch 3:" in more.stdout
    assert "epoch 2:" not in more.stdout
    shown = json.loads(call("show", "first", "--json").stdout)
    assert (shown["state"], shown["epochs_done"], shown["recipe"]["epochs"]) == ("finished", 3, 3)
    assert [row["epoch"] for row in shown["history"]] == [1, 2, 3]


def test_a_detached_run_is_asked_and_answers(genres: Path) -> None:
    started = call("train", genres, *TINY, *FOREVER, "--detach")
    assert started.returncode == DONE, started.stderr
    run = the_run()
    try:
        assert started.stdout == f"{run.name}\n"
        wait_for_epoch(run)
        paused = call("pause", run.name)
        assert paused.returncode == DONE, paused.stderr
        assert run.state().status == "paused"
        assert call("pause", run.name).returncode == FAILED  # it is paused already
        assert call("resume", run.name).returncode == DONE
        assert run.state().status == "running"
        assert call("extend", run.name, "--epochs", "+5").returncode == DONE
        assert run.state().epochs == 100_005
        assert call("stop", run.name).returncode == DONE
        wait_until(lambda: not run.is_alive(), "the trainer's end", PATIENCE)
        assert run.state().status == "stopped"
        assert run.best_model_path.is_file()
        assert run.report_json_path.is_file()
    finally:
        end(run)


def test_an_interrupt_stops_the_run_and_keeps_the_model(genres: Path) -> None:
    process = start("train", genres, *TINY, *FOREVER, "--name", "interrupted")
    try:
        assert process.stdout is not None
        assert "epoch 1:" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        end(the_run())
    assert process.returncode == INTERRUPTED
    assert "the model is kept" in err
    assert "macro avg" in out
    assert the_run().state().status == "stopped"
    assert the_run().best_model_path.is_file()


def test_a_second_interrupt_ends_it_at_once(genres: Path) -> None:
    process = start("train", genres, *TINY, *FOREVER)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        owner = holder(the_run().lock_path)
        assert owner is not None
        os.kill(owner[0], signal.SIGSTOP)  # deaf: neither the request nor SIGTERM reaches it
        process.send_signal(signal.SIGINT)
        wait_until(the_run().control_path.exists, "the request to stop")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        end(the_run())
    assert process.returncode == INTERRUPTED
    assert "ending at once" in err
    assert not the_run().is_alive()


def test_a_killed_follower_does_the_run_no_harm_and_a_killed_trainer_is_resumed(genres: Path) -> None:
    follower = start("train", genres, *TINY, *FOREVER)
    assert follower.stdout is not None
    follower.stdout.readline()
    run = the_run()
    try:
        follower.kill()
        follower.communicate()
        done = run.state().epochs_done
        wait_for_epoch(run, done + 2)
        wait_until(run.last_path.exists, "a checkpoint")  # epochs as short as these are not each worth one
        owner = holder(run.lock_path)
        assert owner is not None
        os.kill(owner[0], signal.SIGKILL)
        wait_until(lambda: not run.is_alive(), "the lock's release")
        assert run.state().status == "lost"
        before = run.state().epochs_done

        resumed = call("resume", run.name, "--detach")
        assert resumed.returncode == DONE, resumed.stderr
        assert run.state().status == "running"
        wait_for_epoch(run, before + 1)
        state = run.state()
        assert state.resumed_from is not None
        assert [row.epoch for row in state.history] == list(range(1, state.epochs_done + 1))
    finally:
        end(run)


def test_a_trainer_that_dies_under_its_follower(genres: Path) -> None:
    process = start("train", genres, *TINY, *FOREVER)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        owner = holder(the_run().lock_path)
        assert owner is not None
        os.kill(owner[0], signal.SIGKILL)
        _, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        end(the_run())
    assert process.returncode == FAILED
    assert "trainer died" in err


def test_a_prepared_run_waits_to_be_started_and_finds_its_index_from_anywhere(
    genres: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [f"{file.stem},{'train' if i % 3 else 'valid'}" for i, file in enumerate(sorted(genres.glob("*/*.au")))]
    Path("index.csv").write_text("name,split\n" + "\n".join(rows))
    column = ("--split-column", "index.csv:split")
    prepared = call("train", genres, *TINY, *column, "--epochs", "1", "--prepare", "--name", "later")
    assert prepared.returncode == DONE
    run = RunFolder(Path(prepared.stdout.strip()))
    assert run.path.is_dir() and not run.is_alive() and not run.journal_path.exists()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    resumed = call("resume", run.path)
    assert resumed.returncode == DONE, resumed.stderr
    assert run.state().status == "finished"


def test_a_device_that_is_not_there_makes_no_run(genres: Path) -> None:
    failed = call("train", genres, *TINY, "--device", "cuda:99", "--detach")
    assert failed.returncode == FAILED
    assert "The device cuda:99 does not exist" in failed.stderr
    assert failed.stderr.count("\n") == 2  # the label source, and the error
    assert list_runs(Path(os.environ["GENRE_TUI_RUNS"])) == []


def test_a_run_that_fails_says_why_in_one_line(genres: Path) -> None:
    failed = call("train", genres, *TINY, "--set", 'model_options={"frobnicate": 1}')
    assert failed.returncode == FAILED
    assert "training failed: The model small_cnn has no option frobnicate" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert the_run().state().status == "failed"
