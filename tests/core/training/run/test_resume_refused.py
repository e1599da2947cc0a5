"""A run that cannot resume is refused before its trainer starts, and keeps its state."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from core.runs import actions
from core.runs.folder import RunFolder
from core.training.run.trainer import check_resumable
from core.util.errors import UserError
from tests.support import trainer_runs


@pytest.fixture
def run(collection: Path, tmp_path: Path) -> RunFolder:
    """A finished run of one epoch on a dataset of its own, ``tmp_path / "music"``."""
    shutil.copytree(collection, tmp_path / "music")
    run = trainer_runs.new_run(tmp_path / "runs", tmp_path / "music", epochs=1)
    trainer_runs.train(run)
    check_resumable(run)
    return run


def change_labels(run: RunFolder, music: Path) -> None:
    first, second = sorted(folder for folder in music.iterdir() if folder.is_dir())[:2]
    clip = min(first.iterdir())
    clip.rename(second / f"moved{clip.suffix}")


def remove_dataset(run: RunFolder, music: Path) -> None:
    music.rename(music.with_name("elsewhere"))


def change_front_end(run: RunFolder, music: Path) -> None:
    front_end = msgspec.structs.replace(trainer_runs.FRONT_END, hop_length=128)
    trainer_runs.change_recipe(run, front_end=front_end)


def remove_split(run: RunFolder, music: Path) -> None:
    (run.path / "split.csv").unlink()


def split_is_a_pipe(run: RunFolder, music: Path) -> None:
    (run.path / "split.csv").unlink()
    os.mkfifo(run.path / "split.csv")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            change_labels,
            r"labels are no longer those that this run began with: .* was .* and is now .*, the first of 1;",
        ),
        (remove_dataset, r"There is no folder or archive .*music"),
        (change_front_end, r"front end is no longer .* \(hop_length was 256 and is now 128\)"),
        (remove_split, r"split.csv, the split that this run began with, cannot be read"),
        (
            split_is_a_pipe,
            r"split.csv, .* cannot be read \(it is not a regular file\)",
        ),
    ],
)
def test_a_run_that_cannot_be_extended_stays_finished(
    change: Callable[[RunFolder, Path], None], said: str, run: RunFolder, tmp_path: Path
) -> None:
    change(run, tmp_path / "music")
    before = {path.name: path.read_bytes() for path in run.path.iterdir() if path.is_file()}
    with pytest.raises(UserError, match=said) as refused:
        actions.extend(run, 2)
    assert "\n" not in str(refused.value)
    assert {path.name: path.read_bytes() for path in run.path.iterdir() if path.is_file()} == before
    state = run.state()
    assert (state.status, state.alive, state.epochs) == ("finished", False, 1)
