"""Going on from last.pth is exact: interrupted and uninterrupted runs end with the same bits."""

from pathlib import Path

import pytest

from core.dataset.settings import SplitSettings
from core.runs.control import request
from core.runs.journal import events as ev
from tests.support import trainer_runs as lives


def test_four_epochs_are_two_and_two_more(collection: Path, tmp_path: Path) -> None:
    whole = lives.new_run(tmp_path, collection, epochs=4)
    lives.train(whole)
    halves = lives.new_run(tmp_path, collection, epochs=2)
    assert isinstance(lives.train(halves), ev.RunFinished)
    lives.change_recipe(halves, epochs=4)
    assert isinstance(lives.train(halves), ev.RunFinished)
    lives.assert_same_training(whole, halves)


def test_stopped_between_two_epochs(collection: Path, tmp_path: Path) -> None:
    changes = lives.EVERYTHING | {"epochs": 4}
    whole = lives.new_run(tmp_path, collection, **changes)
    lives.train(whole)
    broken = lives.new_run(tmp_path, collection, **changes)
    after_two = lives.stop_when(broken, lambda event: isinstance(event, ev.EpochFinished) and event.epoch == 2)
    assert isinstance(lives.train(broken, after_two), ev.RunStopped)
    assert isinstance(lives.train(broken), ev.RunFinished)
    lives.assert_same_training(whole, broken)


@pytest.mark.usefixtures("slow_look")
@pytest.mark.parametrize("phase", ["train", "validate"])
def test_stopped_in_the_middle_of_an_epoch(collection: Path, tmp_path: Path, phase: str) -> None:
    changes = lives.EVERYTHING | {"epochs": 3}
    whole = lives.new_run(tmp_path, collection, **changes)
    lives.train(whole)
    broken = lives.new_run(tmp_path, collection, **changes)

    def middle(event: ev.Event) -> bool:
        return isinstance(event, ev.BatchProgress) and (event.epoch, event.phase) == (2, phase) and event.batch <= 3

    ending = lives.train(broken, lives.stop_when(broken, middle))
    assert isinstance(ending, ev.RunStopped)
    place = lives.load(broken.last_path)["place"]
    assert place["epoch"] == 1
    assert place["batch"] == 6 if phase == "validate" else 0 < place["batch"] < 6
    assert isinstance(lives.train(broken), ev.RunFinished)
    lives.assert_same_training(whole, broken)
    started = lives.of_kind(broken, ev.RunStarted)
    assert [event.resumed_from for event in started] == [None, 1]
    steps = [event.step for event in lives.of_kind(broken, ev.BatchProgress) if event.phase == "train"]
    assert sorted(set(steps)) == list(range(1, 19))


@pytest.mark.usefixtures("slow_look")
def test_stopped_in_the_first_epoch_keeps_a_model(collection: Path, tmp_path: Path) -> None:
    run = lives.new_run(tmp_path, collection)
    ending = lives.train(run, lives.stop_when(run, lambda event: isinstance(event, ev.BatchProgress)))
    assert isinstance(ending, ev.RunStopped)
    assert lives.load(run.best_model_path)["epoch"] == 0
    assert lives.of_kind(run, ev.TestFinished)[0].best_epoch == 0
    assert isinstance(lives.train(run), ev.RunFinished)
    assert lives.load(run.best_model_path)["epoch"] >= 1


def test_extended_while_it_runs_and_remembered_afterwards(collection: Path, tmp_path: Path) -> None:
    run = lives.new_run(tmp_path, collection, epochs=2)

    def on_event(event: ev.Event) -> None:
        if isinstance(event, ev.EpochStarted) and event.epoch == 1:
            request(run.path, "extend", epochs=4)

    ending = lives.train(run, on_event)
    assert isinstance(ending, ev.RunFinished)
    answer = lives.of_kind(run, ev.RequestAnswered)[0]
    assert (answer.request, answer.accepted, answer.epochs) == ("extend", True, 4)
    assert [event.epoch for event in lives.of_kind(run, ev.EpochFinished)] == [1, 2, 3, 4]
    assert run.read_recipe()["epochs"] == 4


def test_a_run_keeps_the_split_it_began_with_when_the_index_has_gone(collection: Path, tmp_path: Path) -> None:
    index = tmp_path / "index.csv"
    names = [file.stem for file in sorted(collection.glob("*/*.*"))]
    parts = ["train", "train", "valid"]
    index.write_text("name,part\n" + "".join(f"{name},{parts[i % 3]}\n" for i, name in enumerate(names)))
    settings = SplitSettings(protocol="column", column=f"{index}:part")
    run = lives.new_run(tmp_path, collection, epochs=1, split=settings)
    assert isinstance(lives.train(run), ev.RunFinished)
    index.unlink()
    lives.change_recipe(run, epochs=2)
    assert isinstance(lives.train(run), ev.RunFinished)
    first, second = lives.of_kind(run, ev.DatasetScanned)
    assert first.parts == second.parts


def test_a_damaged_checkpoint_is_named_and_nothing_is_touched(collection: Path, tmp_path: Path) -> None:
    run = lives.new_run(tmp_path, collection, epochs=1)
    lives.train(run)
    best = run.best_model_path.read_bytes()
    run.last_path.write_bytes(run.last_path.read_bytes()[:1000])
    ending = lives.train(run)
    assert isinstance(ending, ev.RunFailed)
    assert "last.pth is damaged" in ending.error and ending.traceback == ""
    assert run.best_model_path.read_bytes() == best


def test_a_checkpoint_of_another_network_is_refused(collection: Path, tmp_path: Path) -> None:
    run = lives.new_run(tmp_path, collection, epochs=1)
    lives.train(run)
    lives.change_recipe(run, model="crnn")
    ending = lives.train(run)
    assert isinstance(ending, ev.RunFailed)
    assert "does not fit" in ending.error


def test_how_the_optimiser_computes_is_not_taken_from_the_checkpoint(collection: Path, tmp_path: Path) -> None:
    """A run that goes on on another device, or faster, has that one's kernels, and the counts of steps with them."""
    run = lives.new_run(tmp_path, collection, epochs=1, plain=True)
    assert isinstance(lives.train(run), ev.RunFinished)
    first = lives.load(run.last_path)["optimiser"]
    lives.change_recipe(run, epochs=2, plain=False)
    assert isinstance(lives.train(run), ev.RunFinished)
    second = lives.load(run.last_path)["optimiser"]
    assert [state["param_groups"][0]["fused"] for state in (first, second)] == [False, True]
    assert float(second["state"][0]["step"]) == 2 * float(first["state"][0]["step"])
