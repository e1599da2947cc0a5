"""Scanning a dataset in a process of its own."""

import queue
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.dataset.synthetic import make_demo
from core.util.jsonl_process import JsonlProcess, Refused, path_to_json
from tui.new_run.dataset_process import Found, Message, Progress, Scan, summarise

PATIENCE = 60.0
Begin = Callable[[Path], tuple[JsonlProcess[Scan, Message], Iterator[Message | Refused]]]


@pytest.fixture(scope="module")
def genres(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_demo(tmp_path_factory.mktemp("data"), clips_per_genre=10, seconds=0.5)


@pytest.fixture
def begin() -> Iterator[Begin]:
    """A scan that has begun, and its messages up to the answer."""
    begun: list[JsonlProcess[Scan, Message]] = []

    def begin(folder: Path) -> tuple[JsonlProcess[Scan, Message], Iterator[Message | Refused]]:
        messages: queue.Queue[tuple[Message | Refused, Scan | None]] = queue.Queue()
        process: JsonlProcess[Scan, Message] = JsonlProcess(
            "tui.new_run.dataset_process", Message, lambda *pair: messages.put(pair), crashed="the scan died"
        )
        begun.append(process)
        process.ask(Scan(path_to_json(folder)))

        def until_answered() -> Iterator[Message | Refused]:
            request = None
            while request is None:
                message, request = messages.get(timeout=PATIENCE)
                yield message

        return process, until_answered()

    yield begin
    for process in begun:
        process.close()


def test_it_finds_what_a_scan_from_within_finds(genres: Path, begin: Begin) -> None:
    *progress, found = begin(genres)[1]
    assert found == Found(summarise(genres))
    assert progress == [Progress(done, 100) for done in (25, 50, 75, 100)]


def test_what_cannot_be_trained_on_is_one_sentence(tmp_path: Path, begin: Begin) -> None:
    (refused,) = begin(tmp_path)[1]
    assert isinstance(refused, Refused)
    assert str(tmp_path) in refused.error


def test_a_process_that_dies_refuses_its_request(genres: Path, begin: Begin) -> None:
    """As when a broken file brings down a decoder."""
    process, messages = begin(genres)
    assert process._process is not None
    process._process.kill()
    *_, last = messages
    assert last == Refused("the scan died (exit status -9)")
