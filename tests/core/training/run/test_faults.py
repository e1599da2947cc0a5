"""A run folder that moves or goes, files that others have damaged, names that are not UTF-8: one sentence each."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from core.runs.control import request
from core.runs.folder import RunFolder
from core.runs.journal import events as ev
from core.training.run.trainer import run_trainer
from core.util.errors import UserError
from tests.support import trainer_runs as lives
from tests.support.tones import make_collection


def at_epoch(number: int, act: Callable[[], object]) -> Callable[[ev.Event], None]:
    def on_event(event: ev.Event) -> None:
        if isinstance(event, ev.EpochFinished) and event.epoch == number:
            act()

    return on_event


@pytest.mark.parametrize("taken", [False, True])
def test_a_run_folder_that_is_moved_is_followed(collection: Path, tmp_path: Path, taken: bool) -> None:
    whole = lives.new_run(tmp_path, collection, spectrograms=True)
    lives.train(whole)
    run = lives.new_run(tmp_path, collection, spectrograms=True)
    moved = tmp_path / "elsewhere"

    def move() -> None:
        run.path.rename(moved)
        if taken:  # by another run of the same name
            run.path.mkdir()
        request(moved, "extend", epochs=4)

    ending = lives.train(run, at_epoch(1, move))
    assert isinstance(ending, ev.RunFinished)
    assert not run.path.exists() or not list(run.path.iterdir())
    there = RunFolder(moved)
    assert any(f"moved to {moved}" in event.message for event in lives.of_kind(there, ev.Warned))
    assert [event.accepted for event in lives.of_kind(there, ev.RequestAnswered)] == [True]
    assert {path.name for path in moved.iterdir()} >= {path.name for path in whole.path.iterdir()}
    assert lives.load(there.last_path)["place"]["epoch"] == 4


@pytest.mark.parametrize("moment", ["training", "paused"])
def test_a_run_folder_that_is_deleted_ends_the_run(collection: Path, tmp_path: Path, moment: str) -> None:
    run = lives.new_run(tmp_path, collection, epochs=10_000)

    def on_event(event: ev.Event) -> None:
        if isinstance(event, ev.EpochFinished) and event.epoch == 1:
            if moment == "paused":
                request(run.path, "pause")
            else:
                shutil.rmtree(run.path)
        if moment == "paused" and isinstance(event, ev.CheckpointSaved) and event.what == "last":
            shutil.rmtree(run.path)  # while it waits

    ending = lives.train(run, on_event)
    assert isinstance(ending, ev.RunFailed) and "was deleted" in ending.error and ending.traceback == ""
    assert not run.path.exists()


@pytest.fixture(scope="module")
def trained(collection: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    run = lives.new_run(tmp_path_factory.mktemp("runs"), collection, epochs=1)
    lives.train(run)
    return run


def refused(trained: RunFolder, folder: Path, change: Callable[[RunFolder], object]) -> str:
    """What a resumed run says whose files were changed."""
    run = RunFolder(Path(shutil.copytree(trained.path, folder / "run")))
    lives.change_recipe(run, epochs=2)
    change(run)
    ending = run_trainer(run.path)
    assert isinstance(ending, ev.RunFailed) and ending.traceback == "" and "\n" not in ending.error
    assert not lives.of_kind(run, ev.EpochFinished)[1:]
    return ending.error


def changed_checkpoint(change: Callable[[dict[str, Any]], object]) -> Callable[[RunFolder], None]:
    def rewrite(run: RunFolder) -> None:
        content = lives.load(run.last_path)
        change(content)
        torch.save(content, run.last_path)

    return rewrite


@pytest.mark.parametrize("part", ["weights", "optimiser", "random", "sums", "place"])
def test_a_checkpoint_without_a_part_is_refused(trained: RunFolder, tmp_path: Path, part: str) -> None:
    assert "last.pth" in refused(trained, tmp_path, changed_checkpoint(lambda content: content.pop(part)))


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content["place"].update(epoch=-1),
        lambda content: content["place"].update(history=3),
        lambda content: content["place"].pop("epochs"),
        lambda content: content["optimiser"].update(param_groups=[]),
        lambda content: content["optimiser"]["param_groups"][0].pop("lr"),
        lambda content: content["weights"].update({next(iter(content["weights"])): torch.tensor(float("nan"))}),
        lambda content: content["random"].update(cpu=torch.zeros(3)),
        lambda content: content.update(format="1"),
    ],
)
def test_a_checkpoint_of_nonsense_is_refused(
    trained: RunFolder, tmp_path: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    assert "last.pth" in refused(trained, tmp_path, changed_checkpoint(change))


def zero_in_the_middle(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 64] = bytes(64)
    path.write_bytes(data)


def test_a_hole_in_a_checkpoint_is_noticed(trained: RunFolder, tmp_path: Path) -> None:
    assert "checksum" in refused(trained, tmp_path, lambda run: zero_in_the_middle(run.last_path))


@pytest.mark.parametrize(
    "content",
    [None, b"", os.urandom(300), b"\0" * 100, b"part,genre\ntrain,hum\n", b"part,genre,name,content\nall,hum,a,b\n"],
    ids=["missing", "empty", "binary", "zeros", "columns", "part"],
)
def test_a_damaged_split_is_not_divided_anew(trained: RunFolder, tmp_path: Path, content: bytes | None) -> None:
    def change(run: RunFolder) -> None:
        path = run.path / "split.csv"
        path.unlink() if content is None else path.write_bytes(content)

    assert "split.csv" in refused(trained, tmp_path, change)


@pytest.mark.parametrize(
    "content",
    ['{"data": 3}', '{"data": "x", "epochs": "many"}', "[]", "[" * 100_000, '{"data":' * 50_000, "", "\0" * 50],
)
def test_a_recipe_of_nonsense_is_refused(trained: RunFolder, tmp_path: Path, content: str) -> None:
    assert "recipe.json" in refused(trained, tmp_path, lambda run: run.recipe_path.write_text(content))


def test_names_that_are_not_utf8_do_not_end_a_run(tmp_path: Path) -> None:
    data = make_collection(tmp_path / "genres")
    for file in sorted(data.glob("*/*.wav")):
        file.rename(file.with_name(os.fsdecode(b"caf\xe9-") + file.name))
    (data / "hum" / os.fsdecode(b"broken-\xff.wav")).write_bytes(b"none")
    run = lives.new_run(tmp_path / "runs", data, epochs=1, spectrograms=True)
    assert isinstance(lives.train(run), ev.RunFinished)
    [scanned] = lives.of_kind(run, ev.DatasetScanned)
    assert "broken-" in scanned.excluded[0].path
    assert run.report_json_path.exists() and "caf" in (run.path / "split.csv").read_bytes().decode("latin-1")
    lives.change_recipe(run, epochs=2)
    assert isinstance(lives.train(run), ev.RunFinished)
    assert run.state().status == "finished"


def test_a_single_genre_that_is_left_is_refused(tmp_path: Path) -> None:
    data = make_collection(tmp_path / "genres", clips=4)
    lines = ["name,split"]
    lines += [
        f"{genre}.{i:05d},{'train' if genre == 'hum' else 'valid'}" for genre in ("hum", "tone") for i in range(4)
    ]
    (data / "index.csv").write_text("\n".join(lines) + "\n")
    from core.dataset.settings import SplitSettings

    run = lives.new_run(tmp_path / "runs", data, split=SplitSettings(protocol="column", parts=("train", "valid", "")))
    ending = lives.train(run)
    assert isinstance(ending, ev.RunFailed) and "Only 1 genre can be trained on (hum)" in ending.error


def test_leftovers_of_a_killed_trainer_are_removed(trained: RunFolder, tmp_path: Path) -> None:
    run = RunFolder(Path(shutil.copytree(trained.path, tmp_path / "run")))
    left = [
        ".last-0a1b2c3d.pth",
        ".best_model-abcdefgh.pth",
        ".report-01234567.json",
        "Plots/.loss_curves-01234567.png",
    ]
    for name in left:
        (run.path / name).write_bytes(b"half")
    (run.path / ".Spectrograms-a_b2c3d4" / "hum").mkdir(parents=True)
    kept = run.path / ".notes.txt"
    kept.write_text("the user's own")
    assert isinstance(lives.train(run), ev.RunFinished)
    assert [path.name for path in run.path.glob("**/.*")] == [kept.name]


def test_a_journal_that_is_no_file_is_refused(trained: RunFolder, tmp_path: Path) -> None:
    run = RunFolder(Path(shutil.copytree(trained.path, tmp_path / "run")))
    run.journal_path.unlink()
    os.mkfifo(run.journal_path)
    with pytest.raises(UserError, match=r"events\.jsonl cannot be written"):
        run_trainer(run.path)


def test_too_little_memory_is_one_sentence(collection: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **options: object) -> None:
        torch.empty(2**50, dtype=torch.uint8)

    monkeypatch.setattr("core.training.run.run.train_model", full)
    ending = lives.train(lives.new_run(tmp_path, collection))
    assert isinstance(ending, ev.RunFailed) and ending.traceback == ""
    assert "There is not enough memory" in ending.error and "smaller batch size" in ending.error
