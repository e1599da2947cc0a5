"""What surrounds training: when it is saved, what is told, and how it is watched."""

import threading
from pathlib import Path

import pytest
import torch

from core.runs.journal import events as ev
from core.runs.journal.journal import JournalReader
from core.training.checkpoint import TrainCheckpoint, write_training
from core.training.errors import EndedAtOnce
from core.training.recipe import OptimiserSettings
from core.training.run import checkpointing as checkpoints
from core.training.run.device import DeviceMonitor
from core.training.run.event_logger import EventLogger
from tests.support import trainer_runs as lives
from tests.support.waiting import wait_until


def test_seldom_and_often_saved_runs_end_with_the_same_files(
    collection: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "OVERHEAD", 1e9)  # after every epoch
    often = lives.new_run(tmp_path, collection, epochs=5)
    lives.train(often)
    monkeypatch.setattr(checkpoints, "OVERHEAD", 1e-9)  # never before the end
    seldom = lives.new_run(tmp_path, collection, epochs=5)
    lives.train(seldom)
    assert [event.what for event in lives.of_kind(seldom, ev.CheckpointSaved)] == ["best", "last"]
    assert len(lives.of_kind(often, ev.CheckpointSaved)) > 5
    lives.assert_same_training(often, seldom)


def test_the_best_is_written_before_the_last(collection: Path, tmp_path: Path) -> None:
    run = lives.new_run(tmp_path, collection, epochs=4)
    lives.train(run)
    best = 0
    for event in lives.of_kind(run, ev.CheckpointSaved):
        best = event.epoch if event.what == "best" else best
        assert event.what == "best" or event.epoch >= best > 0


def test_a_full_disk_costs_a_checkpoint_and_not_the_run(
    collection: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, failures = write_training, 0

    def full_once(path: Path, state: TrainCheckpoint) -> None:
        nonlocal failures
        failures += 1
        if failures == 1:
            raise OSError(28, "No space left on device")
        real(path, state)

    monkeypatch.setattr(checkpoints, "OVERHEAD", 1e9)
    monkeypatch.setattr(checkpoints, "write_training", full_once)
    run = lives.new_run(tmp_path, collection, epochs=3)
    assert isinstance(lives.train(run), ev.RunFinished)
    assert "No space left" in lives.of_kind(run, ev.Warned)[0].message
    assert lives.load(run.last_path)["place"]["epoch"] == 3


def test_training_continues_while_a_checkpoint_is_written(
    collection: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first write lasts until the third epoch; what it writes is the state after the first."""
    once = lives.new_run(tmp_path, collection, epochs=1, optimiser=OptimiserSettings())
    lives.train(once)
    third, written = threading.Event(), tmp_path / "written.pth"

    def slow(path: Path, state: TrainCheckpoint) -> None:
        if not written.exists():
            assert third.wait(60)
            write_training(written, state)
        write_training(path, state)

    def on_event(event: ev.Event) -> None:
        if isinstance(event, ev.EpochFinished) and event.epoch == 3:
            third.set()

    monkeypatch.setattr(checkpoints, "OVERHEAD", 1e9)
    monkeypatch.setattr(checkpoints, "write_training", slow)
    run = lives.new_run(tmp_path, collection, epochs=4, optimiser=OptimiserSettings())
    assert isinstance(lives.train(run, on_event), ev.RunFinished)
    saved = lives.load(written)
    assert saved["place"]["epoch"] == 1 and len(saved["place"]["history"]) == 1
    lives.assert_same(saved["weights"], lives.load(once.last_path)["weights"])
    lives.assert_same(saved["optimiser"]["state"], lives.load(once.last_path)["optimiser"]["state"])
    assert lives.load(run.last_path)["place"]["epoch"] == 4


def test_an_error_in_the_thread_ends_the_run(collection: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(path: Path, state: TrainCheckpoint) -> None:
        raise ZeroDivisionError("by the test")

    monkeypatch.setattr(checkpoints, "OVERHEAD", 1e9)
    monkeypatch.setattr(checkpoints, "write_training", broken)
    run = lives.new_run(tmp_path, collection, epochs=50)
    ending = lives.train(run)
    assert isinstance(ending, ev.RunFailed) and ending.error == "ZeroDivisionError: by the test"
    assert "write_training" in ending.traceback
    assert len(lives.of_kind(run, ev.EpochFinished)) < 50
    assert run.best_model_path.exists() and not list(run.path.glob(".*"))


def test_without_memory_for_a_copy_training_waits(
    collection: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = lives.new_run(tmp_path, collection)
    lives.train(whole)
    monkeypatch.setattr("core.training.run.checkpointing.LARGEST_SHARE", 0.0)
    monkeypatch.setattr(checkpoints, "OVERHEAD", 1e9)
    run = lives.new_run(tmp_path, collection)
    lives.train(run)
    lives.assert_same_training(whole, run)
    events = lives.events(run)
    for event in events:
        if isinstance(event, ev.EpochStarted) and event.epoch > 1:
            before = [one for one in events if isinstance(one, ev.CheckpointSaved) and one.seq < event.seq]
            assert before[-1].what == "last" and before[-1].epoch == event.epoch - 1


def test_an_interrupt_waits_for_the_event_that_is_being_written(collection: Path, tmp_path: Path) -> None:
    run = lives.new_run(tmp_path, collection)
    received: list[ev.Event] = []

    def on_event(event: ev.Event) -> None:
        received.append(event)
        if len(received) == 1:
            logger.interrupt()  # as a signal in the middle of it would

    with EventLogger(run, on_event) as logger:
        with pytest.raises(EndedAtOnce):
            logger.emit(ev.Warned(message="one"))
        logger.emit(ev.Warned(message="two"))
        with pytest.raises(EndedAtOnce):
            logger.interrupt()
    written = JournalReader(run.journal_path).read()
    assert [(event.seq, event.message) for event in written if isinstance(event, ev.Warned)] == [(0, "one"), (1, "two")]
    assert len(run.training_log_path.read_text().splitlines()) == 2


def test_events_from_several_threads_keep_their_order(collection: Path, tmp_path: Path) -> None:
    run = lives.new_run(tmp_path, collection)
    received: list[int] = []
    with EventLogger(run, lambda event: received.append(event.seq)) as logger:
        threads = [
            threading.Thread(target=lambda: [logger.emit(ev.Warned(message="x")) for _ in range(50)]) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert received == list(range(200)) == [event.seq for event in JournalReader(run.journal_path).read()]


def test_the_monitor_samples_unless_the_run_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.training.run.device.INTERVAL", 0.01)
    samples: list[ev.Event] = []
    waiting = False
    with DeviceMonitor(torch.device("cpu"), samples.append, lambda: waiting):
        wait_until(lambda: len(samples) >= 3, "three samples")
        waiting = True
        seen = len(samples) + 1  # one may be on its way
        threading.Event().wait(0.2)
        assert len(samples) <= seen
    sample = samples[0]
    assert isinstance(sample, ev.DeviceSample)
    assert 0 <= sample.cpu_percent <= 100 and 1e7 < sample.rss < sample.ram_total
    assert sample.gpu_name is None and sample.gpu_percent is None
