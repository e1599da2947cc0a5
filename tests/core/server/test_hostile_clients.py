"""Clients who mean harm: memory stays bounded, and the next request is answered."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
import websockets.sync.client as sockets
from websockets.exceptions import ConnectionClosed, InvalidStatus

from core.server.limits import MIB
from tests.support.served import PROBLEM, Serve, Served, a_run, chord, encoded, pcm
from tests.support.small_model import a_sound
from tests.support.waiting import wait_until

MEMORY = 1_500_000_000


@pytest.fixture(scope="module")
def strict(serve: Serve) -> Iterator[Served]:
    """A server with limits that a test can reach in a moment."""
    with serve(
        body_bytes=3 * MIB, audio_seconds=60.0, connections=20, header_seconds=1.0, body_grace_seconds=1.0,
        sockets=3, sockets_per_second=2.0, live_idle_seconds=1.0, files=2,
    ) as served:  # fmt: skip
        yield served


def assert_well(served: Served) -> None:
    """The next request is answered, by a client who knows nothing of the trouble."""
    answer = httpx.post(
        f"{served.url}/v1/classify", content=a_sound("saw-wall").read_bytes(), timeout=30, trust_env=False
    )
    assert answer.status_code == 200
    assert answer.json()["genre"] == "saw-wall"
    assert served.memory() < MEMORY


def kind(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == PROBLEM
    return answer.status_code, answer.json()["type"].removeprefix("urn:genre-tui:")


def flood(size: int) -> Iterator[bytes]:
    piece = bytes(MIB)
    for _ in range(size // MIB):
        yield piece


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_of_two_gigabytes(server: Served, announced: bool) -> None:
    size = 2048 * MIB
    headers = {"Content-Length": str(size)} if announced else {}
    answer = server.client.post("/v1/classify", content=flood(size), headers=headers)
    assert kind(answer) == (413, "body-too-large")
    assert_well(server)


def test_a_form_with_too_many_files(strict: Served) -> None:
    files = [("file", (f"{n}.wav", b"x")) for n in range(3)]
    assert kind(strict.client.post("/v1/classify", files=files)) == (413, "too-many-files")


def test_hours_of_silence_in_kilobytes(strict: Served, tmp_path: Path) -> None:
    path = tmp_path / "bomb.flac"
    with soundfile.SoundFile(path, "w", 8000, 1, format="FLAC") as file:
        for _ in range(60 * 10):
            file.write(np.zeros(8000 * 60, dtype=np.int16))
    bomb = path.read_bytes()
    assert len(bomb) < 1_200_000
    assert kind(strict.classify(bomb)) == (413, "audio-too-long")
    # One that does not say in its header how long it is.
    silent = bytearray(bomb)
    silent[21] &= 0xF0
    silent[22:26] = bytes(4)
    assert strict.classify(bytes(silent)).status_code in (413, 422)
    results = strict.client.post("/v1/classify", files=[("a", ("a", bomb)), ("b", ("b", encoded(chord(4))))]).json()
    assert "long" in results["results"][0]["error"]
    assert results["results"][1]["duration_s"] == 4
    assert_well(strict)


def test_a_decoder_that_is_killed_costs_one_request(serve: Serve) -> None:
    with serve() as served:
        for decoder in served.decoders():
            decoder.kill()
        answers = [served.classify(a_sound("saw-wall").read_bytes()) for _ in range(4)]
        assert [answer.status_code for answer in answers][2:] == [200, 200]
        assert {answer.status_code for answer in answers} <= {200, 422}
        assert_well(served)


def connected(served: Served) -> socket.socket:
    return socket.create_connection(("127.0.0.1", served.port), timeout=20)


def is_closed(connection: socket.socket) -> bool:
    """Whether the server has hung up, without waiting for it."""
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def test_headers_that_never_end(strict: Served) -> None:
    with connected(strict) as slow:
        slow.sendall(b"POST /v1/classify HTTP/1.1\r\nHost: 127.0.0.1\r\n")

        def trickled() -> bool:
            with contextlib.suppress(OSError):
                slow.sendall(b"X: y\r\n")
            return is_closed(slow)

        wait_until(trickled, "the end of the connection")
    assert_well(strict)


def test_malformed_requests_do_not_fill_the_log(serve: Serve, capfd: pytest.CaptureFixture[str]) -> None:
    with serve() as served:
        for _ in range(5):
            for request in ("\0 garbage\r\n\r\n", "GET / HTTP/1.1\r\nHost : x\r\n\r\n"):
                with socket.create_connection(("127.0.0.1", served.port), 10) as client:
                    client.sendall(request.encode())
                    assert client.recv(12) == b"HTTP/1.1 400"
            served.client.get("/v1/health", headers={"Connection": "Upgrade", "Upgrade": "h2c"})
            with sockets.connect(served.url.replace("http", "ws") + "/v1/live?rate=8000") as live:
                live.send(b"\xff\xfe", text=True)
                with pytest.raises(ConnectionClosed):
                    live.recv(10)
            form = {"Content-Type": "multipart/form-data; boundary=b"}
            assert served.client.post("/v1/classify", content=b"no boundary", headers=form).status_code == 400
        assert sorted(line.strip("\0 ") for line in capfd.readouterr().err.splitlines()) == [
            "ERROR:    Invalid UTF-8 sequence received from client.",
            "WARNING:  Invalid HTTP request received.",
            "WARNING:  Unsupported upgrade request.",
        ]


def test_a_second_request_that_never_ends(strict: Served) -> None:
    with connected(strict) as slow:
        slow.sendall(b"GET /v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert b"200" in slow.recv(4096)

        def trickled() -> bool:
            with contextlib.suppress(OSError):
                slow.sendall(b"G")
            return is_closed(slow)

        wait_until(trickled, "the end of the connection")


@pytest.mark.parametrize("trickle", [b"", b"x"])
def test_a_body_that_never_ends(strict: Served, trickle: bytes) -> None:
    with connected(strict) as slow:
        slow.sendall(b"POST /v1/classify HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\n")
        answer = b""
        deadline = time.monotonic() + 20
        slow.settimeout(0.1)
        while b"body-too-slow" not in answer and time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                slow.sendall(trickle)
            with contextlib.suppress(TimeoutError):
                answer += slow.recv(4096)
        assert answer.startswith(b"HTTP/1.1 408")
    assert_well(strict)


def test_many_slow_clients_at_once_keep_nobody_else_waiting(strict: Served) -> None:
    with contextlib.ExitStack() as held:
        for n in range(60):  # three times as many as there may be connections
            slow = held.enter_context(connected(strict))
            head = b"POST /v1/classify HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            slow.sendall(head if n % 2 else head + b"Content-Length: 1000000\r\n\r\nx")
        assert_well(strict)


def test_a_flood_of_connections(strict: Served) -> None:
    with contextlib.ExitStack() as held:
        connections = [held.enter_context(connected(strict)) for _ in range(300)]
        wait_until(lambda: sum(map(is_closed, connections)) >= 280, "the end of the oldest")
        assert_well(strict)


@pytest.mark.parametrize("request_line", ["POST /v1/live?rate=8000", "GET /v1/live?rate=8000"])
def test_a_live_socket_that_begins_with_a_body_is_closed(strict: Served, request_line: str) -> None:
    head = f"{request_line} HTTP/1.1\r\nHost: 127.0.0.1:{strict.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    with connected(strict) as client:
        client.sendall(head.encode() + b"Content-Length: 3\r\n\r\nabc")
        answer = client.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["type"] == "urn:genre-tui:bad-handshake"
    assert_well(strict)


def live(served: Served, address: str = "/v1/live?rate=8000") -> sockets.ClientConnection:
    return sockets.connect(served.url.replace("http", "ws") + address)


def refused(served: Served) -> tuple[int, str] | None:
    try:
        with live(served):
            return None
    except InvalidStatus as error:
        return error.response.status_code, json.loads(error.response.body)["type"].removeprefix("urn:genre-tui:")


def test_a_flood_of_live_sockets(serve: Serve) -> None:
    with serve(sockets=3, sockets_per_second=1000.0) as served:
        with contextlib.ExitStack() as held:
            for _ in range(3):
                held.enter_context(live(served))
            assert refused(served) == (503, "busy")
            assert_well(served)
        wait_until(lambda: refused(served) is None, "a place")


def test_live_sockets_opened_too_fast(strict: Served) -> None:
    wait_until(lambda: refused(strict) == (429, "too-many-sockets"), "the refusal")
    wait_until(lambda: refused(strict) is None, "another chance")


def ended(socket_: sockets.ClientConnection) -> tuple[str, int]:
    """The problem that a live socket ends with, and its code."""
    problem: dict[str, Any] = {}
    with pytest.raises(ConnectionClosed) as closed:
        while True:
            message = json.loads(socket_.recv(30))
            problem = message if message["type"] == "problem" else problem
    assert closed.value.rcvd is not None
    return problem["kind"], closed.value.rcvd.code


def test_a_live_socket_that_brings_sound_faster_than_it_can_be_made(server: Served) -> None:
    with live(server) as fast:
        sound = pcm(chord(10, rate=8000))

        def push() -> None:
            with contextlib.suppress(ConnectionClosed):
                for _ in range(200):
                    fast.send(sound)

        pushing = threading.Thread(target=push)
        pushing.start()
        assert ended(fast) == ("too-fast", 1008)
        pushing.join()
    assert_well(server)


def test_a_live_socket_that_says_nothing(serve: Serve) -> None:
    with serve(live_idle_seconds=0.5) as served, live(served) as silent:
        assert ended(silent) == ("no-sound", 1008)


def test_a_message_that_is_too_large(server: Served) -> None:
    with live(server) as socket_:
        with contextlib.suppress(ConnectionClosed):
            socket_.send(bytes(3 * MIB))
        with pytest.raises(ConnectionClosed) as closed:
            socket_.recv(30)
        assert closed.value.rcvd is None or closed.value.rcvd.code == 1009
    assert_well(server)


def test_more_followers_than_places(serve: Serve, tmp_path: Path) -> None:
    a_run(tmp_path, "crowded")
    with serve(runs=tmp_path, followers=1) as served:
        with served.client.stream("GET", "/v1/runs/crowded/events") as first:
            lines = first.iter_lines()  # kept: the connection ends with it
            assert next(lines)
            assert kind(served.client.get("/v1/runs/crowded/events")) == (503, "busy")
        wait_until(lambda: _is_told(served), "a place")


def _is_told(served: Served) -> bool:
    return served.client.get("/v1/runs/crowded/events?follow=false").status_code == 200


def test_more_requests_than_places(serve: Serve) -> None:
    with serve(requests=1, wait_seconds=0.0, threads=1) as served:
        body = encoded(chord(600))
        answers: list[httpx.Response] = []
        asking = [threading.Thread(target=lambda: answers.append(served.classify(body))) for _ in range(4)]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join()
        assert sorted(answer.status_code for answer in answers)[0] == 200
        busy = [answer for answer in answers if answer.status_code == 503]
        assert busy and kind(busy[0]) == (503, "busy")
        assert busy[0].headers["retry-after"] == "1"
        assert_well(served)
