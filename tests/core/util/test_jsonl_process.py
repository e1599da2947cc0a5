"""Requests to a worker process, and what it answers: in order, once each, whatever the worker does."""

import os
import queue
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.util.errors import UserError
from core.util.jsonl_process import JsonlProcess, Refused, WorkerChannel, path_from_json, path_to_json

PATIENCE = 30.0


class Add(msgspec.Struct, frozen=True, tag_field="kind", tag="add"):
    a: int
    b: int


class Do(msgspec.Struct, frozen=True, tag_field="kind", tag="do"):
    what: str


class Sum(msgspec.Struct, frozen=True, tag_field="kind", tag="sum"):
    value: int


Request = Add | Do
Answer = Sum


def worker() -> None:
    """What runs when this module is a worker."""
    channel = WorkerChannel()

    def answer(request: Request) -> Answer | None:
        match request:
            case Add(a, b):
                return Sum(a + b)
            case Do("event"):
                channel.send(Sum(-1))
            case Do("user error"):
                raise UserError("the disk is full")
            case Do("defect"):
                raise ZeroDivisionError("by zero")
            case Do("print"):
                os.write(1, b"a native library says hello\n")
            case Do("garbage"):
                os.write(channel._out, b"no JSON\n")
            case Do("die"):
                os.kill(os.getpid(), signal.SIGKILL)
        return None

    channel.serve(Request, answer)


class Conversation:
    def __init__(self) -> None:
        self.said: queue.Queue[tuple[Answer | Refused, Request | None]] = queue.Queue()
        self.process: JsonlProcess[Request, Answer] = JsonlProcess(
            __name__, Answer, lambda *pair: self.said.put(pair), crashed="it has died"
        )

    def ask(self, *requests: Request) -> None:
        for request in requests:
            self.process.ask(request)

    def next(self) -> tuple[Answer | Refused, Request | None]:
        return self.said.get(timeout=PATIENCE)


@pytest.fixture
def talk() -> Iterator[Conversation]:
    conversation = Conversation()
    yield conversation
    conversation.process.close()


def test_a_worker_that_was_started_before_answers_the_first_request(talk: Conversation) -> None:
    talk.process.start()
    started = talk.process._process
    talk.process.start()
    assert started is not None
    talk.ask(Add(1, 2))
    assert talk.next() == (Sum(3), Add(1, 2))
    assert talk.process._process is started


def test_requests_are_answered_in_order_with_their_request(talk: Conversation) -> None:
    requests = [Add(n, 1) for n in range(5)]
    talk.ask(*requests)
    assert [talk.next() for _ in requests] == [(Sum(n + 1), request) for n, request in enumerate(requests)]


def test_events_belong_to_no_request_and_a_request_may_have_no_answer(talk: Conversation) -> None:
    talk.ask(Do("event"), Add(1, 1))
    assert talk.next() == (Sum(-1), None)
    assert talk.next() == (Sum(2), Add(1, 1))


def test_what_a_library_prints_does_not_get_among_the_answers(talk: Conversation) -> None:
    talk.ask(Do("print"), Add(2, 2))
    assert talk.next() == (Sum(4), Add(2, 2))


@pytest.mark.parametrize(
    ("what", "error"),
    [("user error", "the disk is full"), ("defect", "ZeroDivisionError: by zero")],
)
def test_a_refusal_costs_one_request(talk: Conversation, what: str, error: str) -> None:
    talk.ask(Do(what), Add(1, 2))
    assert talk.next() == (Refused(error), Do(what))
    assert talk.next() == (Sum(3), Add(1, 2))


@pytest.mark.parametrize("what", ["die", "garbage"])
def test_a_crash_costs_one_request(talk: Conversation, what: str) -> None:
    talk.ask(Do(what), Add(1, 2))
    assert talk.next() == (Refused("it has died (exit status -9)"), Do(what))
    assert talk.next() == (Sum(3), Add(1, 2))


def test_a_crash_between_requests_is_reported_and_the_next_request_starts_another(talk: Conversation) -> None:
    talk.ask(Add(1, 2))
    talk.next()
    assert talk.process._process is not None
    talk.process._process.kill()
    assert talk.next() == (Refused("it has died (exit status -9)"), None)
    talk.ask(Add(2, 2))
    assert talk.next() == (Sum(4), Add(2, 2))


def test_what_waits_can_be_withdrawn_and_overtaken(talk: Conversation) -> None:
    talk.ask(Add(0, 0))
    talk.next()
    assert talk.process._process is not None
    talk.process._process.send_signal(signal.SIGSTOP)
    talk.ask(Add(1, 0), Add(2, 0), Add(3, 0))
    talk.process.ask(Add(4, 0), first=True)
    talk.process.withdraw(lambda request: request != Add(2, 0))
    assert talk.process.waiting == (Add(4, 0), Add(3, 0))
    talk.process._process.send_signal(signal.SIGCONT)
    assert [talk.next()[0] for _ in range(3)] == [Sum(1), Sum(4), Sum(3)]


def test_a_closed_process_is_gone_and_says_nothing_more(talk: Conversation) -> None:
    talk.ask(Add(1, 1))
    talk.next()
    process = talk.process._process
    assert process is not None
    talk.process.close(grace_seconds=PATIENCE)
    assert process.poll() == 0, "it ended with its input"
    talk.ask(Add(1, 1))
    assert talk.said.empty()


@given(st.binary(min_size=1, max_size=40).filter(lambda name: b"\0" not in name))
def test_any_path_survives(name: bytes) -> None:
    path = Path(os.fsdecode(b"/" + name))
    assert path_from_json(msgspec.json.decode(msgspec.json.encode(path_to_json(path)))) == path


if __name__ == "__main__":
    sys.exit(worker())  # type: ignore[func-returns-value]
