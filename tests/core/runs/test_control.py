import threading
from pathlib import Path

from core.runs.control import CONTROL, ControlReader, request, wait_for_answer
from core.runs.journal.events import RequestAnswered, Warned
from core.runs.journal.journal import Journal


def test_a_request_is_read_once(tmp_path: Path) -> None:
    reader = ControlReader(tmp_path)
    assert reader.poll() is None
    asked = request(tmp_path, "extend", epochs=40)
    read = reader.poll()
    assert read is not None
    assert (read.id, read.request, read.epochs) == (asked, "extend", 40)
    assert reader.poll() is None


def test_the_last_request_counts(tmp_path: Path) -> None:
    reader = ControlReader(tmp_path)
    request(tmp_path, "pause")
    last = request(tmp_path, "stop")
    read = reader.poll()
    assert read is not None
    assert read.id == last
    again = request(tmp_path, "stop")
    read = reader.poll()
    assert read is not None
    assert read.id == again


def test_a_request_from_before_the_reader_is_read(tmp_path: Path) -> None:
    asked = request(tmp_path, "stop")
    read = ControlReader(tmp_path).poll()
    assert read is not None
    assert read.id == asked


def test_a_control_file_written_by_hand_does_no_harm(tmp_path: Path) -> None:
    reader = ControlReader(tmp_path)
    for content in (b"", b"stop", b"{}", b'{"request":"dance","id":"1","time":0}', b"\xff"):
        (tmp_path / CONTROL).write_bytes(content)
        assert reader.poll() is None
    asked = request(tmp_path, "pause")
    read = reader.poll()
    assert read is not None
    assert read.id == asked


def test_the_answer_is_waited_for(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "events.jsonl")
    journal.write(RequestAnswered(request="pause", id="other", accepted=True, message="not this one"))
    asked = request(tmp_path, "pause")
    reader = ControlReader(tmp_path)

    def trainer() -> None:
        read = reader.poll()
        assert read is not None
        journal.write(Warned(message="something else"))
        journal.write(RequestAnswered(request=read.request, id=read.id, accepted=True, message="paused"))

    answering = threading.Timer(0.1, trainer)
    answering.start()
    answer = wait_for_answer(tmp_path, asked)
    answering.join()
    assert answer is not None
    assert answer.message == "paused"


def test_nobody_answers(tmp_path: Path) -> None:
    assert wait_for_answer(tmp_path, request(tmp_path, "stop"), timeout=0.2) is None
