"""A full disk never ends a training: what fails is tried again, counted and reported, and the weights are the same."""

import errno
import os
import resource
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from core.runs.folder import RunFolder
from core.runs.journal import events as ev
from tests.support import trainer_runs as lives


@pytest.fixture(scope="module")
def whole(collection: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """An undisturbed run."""
    run = lives.new_run(tmp_path_factory.mktemp("whole"), collection, spectrograms=True)
    assert isinstance(lives.train(run), ev.RunFinished)
    return run


def warnings(run: RunFolder) -> list[str]:
    return [event.message for event in lives.of_kind(run, ev.Warned)]


def assert_no_gaps(run: RunFolder) -> None:
    seqs = [event.seq for event in lives.events(run)]
    assert seqs == list(range(len(seqs)))


def test_every_write_fails_once(
    collection: Path, tmp_path: Path, whole: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each write to journal and log, and each rename to a final name, fails first and succeeds the second time."""
    failed: list[str] = []

    def failing_first(real: Any, name: str) -> Any:
        calls = Counter[str]()

        def fail_first(*args: Any) -> Any:
            file = str(args[1]) if name.endswith("replace") else name  # each file's renames are counted for themselves
            calls[file] += 1
            if calls[file] % 2:
                failed.append(name)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(*args)

        return fail_first

    run = lives.new_run(tmp_path, collection, spectrograms=True)
    with monkeypatch.context() as patch:
        patch.setattr("core.training.run.checkpointing.OVERHEAD", 1e9)  # saves after every epoch
        for target in ("os.write", "pathlib.Path.replace", "core.reports.spectrograms.write_spectrograms"):
            module, _, name = target.rpartition(".")
            owner: Any = {"os": os, "pathlib.Path": Path}.get(module)
            if owner is None:
                from core.reports import spectrograms as owner
            patch.setattr(owner, name, failing_first(getattr(owner, name), target))
        ending = lives.train(run)
    assert isinstance(ending, ev.RunFinished) and ending.message == ""
    assert len(failed) > 20
    lives.assert_same_training(whole, run)
    assert_no_gaps(run)
    assert {path.name for path in run.path.iterdir()} == {path.name for path in whole.path.iterdir()}
    for file in ("split.csv", "last.pth", "best_model.pth", "report.json", "Plots/loss_curves.png", "Spectrograms"):
        assert any(file in text and "No space left on device" in text for text in warnings(run)), file
    assert any("failed writes so far" in text and "free on /" in text for text in warnings(run))
    assert "finished in" in run.training_log_path.read_text()


@contextmanager
def no_file_above(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("comes_back", [True, False])
def test_no_room_from_the_first_batch(
    collection: Path, tmp_path: Path, whole: RunFolder, monkeypatch: pytest.MonkeyPatch, comes_back: bool
) -> None:
    monkeypatch.setattr("core.training.run.write_guard.PATIENCE_SECONDS", 0.2)
    run = lives.new_run(tmp_path, collection, spectrograms=True)
    limits = no_file_above(3000)
    received: list[ev.Event] = []

    def on_event(event: ev.Event) -> None:
        received.append(event)
        if isinstance(event, ev.ModelBuilt):
            limits.__enter__()
        if comes_back and isinstance(event, ev.EpochFinished) and event.epoch == 3:
            limits.__exit__(None, None, None)

    try:
        ending = lives.train(run, on_event)
    finally:
        if not comes_back:
            limits.__exit__(None, None, None)
    assert isinstance(ending, ev.RunFinished)
    assert_no_gaps(run)
    assert any(isinstance(event, ev.Warned) and "journal cannot be written" in event.message for event in received)
    tested = [event.accuracy for event in received if isinstance(event, ev.TestFinished)]
    assert tested == [event.accuracy for event in lives.of_kind(whole, ev.TestFinished)]
    if comes_back:
        lives.assert_same_training(whole, run)
        assert any("written again" in text for text in warnings(run))
        epochs = lives.of_kind(run, ev.EpochFinished)
        assert [event.epoch for event in epochs] == [1, 2, 3]
    else:
        assert "Not written, because the disk was full: best_model.pth, last.pth" in ending.message
        assert not run.best_model_path.exists() and not list(run.path.glob(".*"))
