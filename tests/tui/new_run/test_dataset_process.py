"""The look at a dataset in a process of its own."""

from pathlib import Path

import pytest

from core.dataset.split_settings import SplitSettings
from core.dataset.synthetic import make_demo
from tui.new_run.dataset_process import Found, LookProcess, Progress, Refused
from tui.new_run.dataset_summary import look_at


@pytest.fixture(scope="module")
def genres(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_demo(tmp_path_factory.mktemp("data"), clips_per_genre=10, seconds=0.5)


def test_it_finds_what_a_look_from_within_finds(genres: Path) -> None:
    *progress, found = LookProcess(genres, SplitSettings()).messages()
    assert found == Found(look_at(genres, SplitSettings()))
    assert progress == [Progress(done, 100) for done in (25, 50, 75, 100)]


def test_what_cannot_be_trained_on_is_one_sentence(tmp_path: Path) -> None:
    (refused,) = LookProcess(tmp_path, SplitSettings()).messages()
    assert isinstance(refused, Refused)
    assert str(tmp_path) in refused.reason


def test_a_process_that_dies_is_said_to_have_died(genres: Path) -> None:
    """As when a broken file brings down a decoder."""
    process = LookProcess(genres, SplitSettings())
    process.end()
    *_, last = process.messages()
    assert isinstance(last, Refused)
    assert "-9" in last.reason
