"""Two processes that share every batch train as one does, and are stopped, paused and started again as one is."""

import math
import os
import signal
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from core.runs.control import request
from core.runs.folder import RunFolder
from core.runs.journal import events as ev
from core.runs.launch import launch
from core.training.distributed import ProcessGroup
from core.training.recipe import OptimiserSettings
from core.util.parallel import DistInfo
from tests.support import trainer_runs as lives
from tests.support.waiting import wait_until

CALM = {"model_options": {"dropout": 0.0}, "plain": True, "optimiser": OptimiserSettings(learning_rate=2e-5)}
"""Nothing that draws random numbers while it trains, float32, and steps so small that rounding stays small, too: Adam
makes whole steps of gradients that are nothing but rounding, such as those of biases before a normalisation."""


pytestmark = pytest.mark.timeout(240)  # each launch loads PyTorch in three processes


@pytest.fixture(autouse=True)
def teams() -> Iterator[None]:
    """Whatever a test has started and not ended is killed: torchrun, and with it its children."""
    yield
    for child in psutil.Process().children():
        if "torch.distributed.run" in child.cmdline():
            child.kill()


def test_shares_make_up_the_whole() -> None:
    for whole in (1, 7, 16, 33):
        for size in (1, 2, 3, 8):
            parts = [ProcessGroup(DistInfo(rank, size)).shard(whole) for rank in range(size)]
            assert parts[0][0] == 0 and parts[-1][1] == whole
            assert all(one[1] == other[0] for one, other in pairwise(parts))
            assert max(b - a for a, b in parts) - min(b - a for a, b in parts) <= 1


def wait_for_end(run: RunFolder, pid: int) -> None:
    """Until torchrun, and with it all of its children, has exited: only this test's own timeout limits the wait."""
    wait_until(lambda: not psutil.pid_exists(pid), "the end of torchrun", seconds=math.inf)
    assert not run.is_alive()


def answers(run: RunFolder, kind: str) -> list[ev.RequestAnswered]:
    return [event for event in lives.of_kind(run, ev.RequestAnswered) if event.request == kind]


def scores(run: RunFolder) -> list[float]:
    epochs = lives.of_kind(run, ev.EpochFinished)
    return [value for e in epochs for value in (e.train_loss, e.val_loss, e.train_accuracy, e.val_accuracy)]


@pytest.mark.slow
def test_two_processes_train_as_one(collection: Path, tmp_path: Path) -> None:
    one = lives.new_run(tmp_path, collection, batch_size=15, crops_per_clip=5, epochs=2, **CALM)
    assert isinstance(lives.train(one), ev.RunFinished)
    two = lives.new_run(tmp_path, collection, batch_size=15, crops_per_clip=5, epochs=2, processes=2, **CALM)
    wait_for_end(two, launch(two))
    assert isinstance(lives.events(two)[-1], ev.RunFinished), two.trainer_log_path.read_text()
    assert scores(two) == pytest.approx(scores(one), rel=1e-4)
    assert len(lives.of_kind(two, ev.RunStarted)) == 1
    assert lives.load(one.last_path)["weights"].keys() == lives.load(two.last_path)["weights"].keys()


@pytest.mark.slow
def test_a_team_that_loses_a_process_goes_on_exactly(collection: Path, tmp_path: Path) -> None:
    asked = {"batch_size": 6, "processes": 2, "epochs": 4, **lives.EVERYTHING}
    whole = lives.new_run(tmp_path, collection, **asked)
    wait_for_end(whole, launch(whole))
    hurt = lives.new_run(tmp_path, collection, **asked)
    agent = launch(hurt)
    lives.wait_for(hurt, lambda event: isinstance(event, ev.EpochFinished), "an epoch", 120)
    identity = request(hurt.path, "pause")
    lives.wait_for(hurt, lambda event: isinstance(event, ev.RequestAnswered) and event.id == identity, "a pause")
    wait_until(hurt.last_path.exists, "a checkpoint")
    leader = lives.of_kind(hurt, ev.RunStarted)[0].pid
    [peer] = [p.pid for p in psutil.Process(agent).children() if p.pid != leader and "core.training" in p.cmdline()]
    os.kill(peer, signal.SIGKILL)
    # A paused run that is started again is paused again.
    wait_until(lambda: len(answers(hurt, "pause")) == 2 and hurt.state().alive, "another pause", 120)
    request(hurt.path, "resume")
    wait_for_end(hurt, agent)
    assert isinstance(lives.events(hurt)[-1], ev.RunFinished), hurt.trainer_log_path.read_text()
    assert [event.resumed_from is None for event in lives.of_kind(hurt, ev.RunStarted)] == [True, False]
    lives.assert_same_training(whole, hurt)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["request", "SIGTERM"])
def test_a_team_stops_with_a_report(collection: Path, tmp_path: Path, how: str) -> None:
    run = lives.new_run(tmp_path, collection, processes=2, epochs=10_000)
    agent = launch(run)
    lives.wait_for(run, lambda event: isinstance(event, ev.EpochFinished), "an epoch", 120)
    if how == "request":
        request(run.path, "stop")
    else:
        os.kill(agent, signal.SIGTERM)
    wait_for_end(run, agent)
    assert isinstance(lives.events(run)[-1], ev.RunStopped), run.trainer_log_path.read_text()
    assert lives.of_kind(run, ev.TestFinished) and run.best_model_path.exists()


@pytest.mark.slow
def test_what_cannot_be_trained_on_is_not_tried_again(collection: Path, tmp_path: Path) -> None:
    run = lives.new_run(tmp_path, collection, processes=2, batch_size=1, model="small_cnn")
    wait_for_end(run, launch(run))
    assert isinstance(lives.events(run)[-1], ev.RunFailed)
    assert len(lives.of_kind(run, ev.RunStarted)) == 1
