"""The feed socket, with a real sender process at its other end."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from core.audio.live.pcm_stream import PcmDecoder
from core.audio.live.socket_source import SocketSource
from core.audio.live.source import State
from core.audio.live.unix_socket import SocketError, default_socket, listen_on
from tests.support.paths import ROOT
from tests.support.waiting import wait_until

RATE = 22_050


def samples(seconds: float, start: int = 0) -> bytes:
    """Bare samples that count up, so that each says which one it is."""
    return (np.arange(start, start + round(seconds * RATE)) % 20_000).astype("<i2").tobytes()


class FeedProcess:
    """``genre-tui feed`` with a pipe for its standard input."""

    def __init__(self, path: Path, *options: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tui.cli", "feed", "--socket", str(path), *options],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,
        )

    def send(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def end(self) -> tuple[int, str]:
        _, narration = self.process.communicate(timeout=60)
        return self.process.returncode, narration.decode()


@pytest.fixture
def source(tmp_path: Path) -> Iterator[SocketSource]:
    made = SocketSource(tmp_path / "feed.sock")
    yield made
    made.close()
    assert not made.path.exists()


def received(source: SocketSource, seconds: float) -> np.ndarray:
    """``seconds`` of sound read from the source, as the integers that were sent."""
    parts: list[np.ndarray] = []

    def enough() -> bool:
        chunk = source.read(0.05)
        if chunk is not None:
            assert chunk.rate == RATE
            assert chunk.begins == (not parts)
            parts.append(chunk.samples)
        return sum(map(len, parts)) >= seconds * RATE

    wait_until(enough, f"{seconds} s of sound")
    return np.round(np.concatenate(parts) * 32768).astype(int)


def is_in(source: SocketSource, state: State, text: str = "") -> None:
    wait_until(lambda: source.condition.state is state and text in source.condition.text, f"{state}: {text}")


def test_sound_arrives_whole_and_in_order(source: SocketSource) -> None:
    is_in(source, State.WAITING, str(source.path))
    sender = FeedProcess(source.path)
    sender.send(samples(1.5))
    y = received(source, 1.5)
    assert y.tolist() == (np.arange(len(y)) % 20_000).tolist()
    is_in(source, State.RECEIVING, "22,050 Hz")
    assert sender.end() == (0, f"fed {3 * RATE:,} bytes to {source.path}\n")
    is_in(source, State.WAITING, "ended")
    assert source.overruns == 0


def test_the_end_is_received_after_the_sender_has_disconnected(source: SocketSource) -> None:
    sender = FeedProcess(source.path)
    sender.send(samples(0.7))
    assert sender.end()[0] == 0
    assert len(received(source, 0.7)) == round(0.7 * RATE)


def test_one_sender_after_another_and_a_wav_header(source: SocketSource) -> None:
    first = FeedProcess(source.path)
    first.send(samples(0.5))
    first.end()
    received(source, 0.5)
    second = FeedProcess(source.path)
    header = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0\x01\0" + RATE.to_bytes(4, "little")
    second.send(header + (2 * RATE).to_bytes(4, "little") + b"\x02\0\x10\0data\xff\xff\xff\xff" + samples(0.5))
    second.end()
    assert received(source, 0.5)[:3].tolist() == [0, 1, 2]


def test_a_second_sender_is_refused_and_the_first_continues(source: SocketSource) -> None:
    first = FeedProcess(source.path)
    first.send(samples(0.3))
    is_in(source, State.RECEIVING)
    second = FeedProcess(source.path)
    status, narration = second.end()
    assert status == 1
    assert "another sender is connected" in narration
    first.send(samples(0.3, start=round(0.3 * RATE)))
    y = received(source, 0.6)
    assert y.tolist() == (np.arange(len(y)) % 20_000).tolist()
    assert first.end()[0] == 0


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"ID3\x04" + bytes(200), "this is MP3"),
        (b"a letter and no sound\n" * 500, "this is text"),
        (b"short", "this is text"),
    ],
    ids=["MP3", "a letter", "a word"],
)
def test_garbage_is_reported_to_both_sides_and_the_next_sender_is_accepted(
    source: SocketSource, data: bytes, said: str
) -> None:
    sender = FeedProcess(source.path)
    sender.send(data)
    status, narration = sender.end()
    assert status == 1
    assert said in narration
    is_in(source, State.TROUBLE, said)
    after = FeedProcess(source.path)
    after.send(samples(0.2))
    received(source, 0.2)
    after.end()


GREETINGS = [
    b'{"a":' * 30_000,
    b'{"a":' + b"[" * 500 + b"\n",
    b'{"rate": "\\ud83d"}\n',
    b'{"rate": true}\n',
    b'{"rate": 1e400}\n',
    b'{"rate": ' + b"9" * 900 + b"}\n",
    b'{"rate": -1}\n',
    b"{}\n",
    b"{\xff\xfe}\n",
    b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\xff\xff" + bytes(100),
]


@pytest.mark.parametrize("data", GREETINGS, ids=range(len(GREETINGS)))
def test_whatever_one_client_sends_ends_only_that_client(source: SocketSource, data: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(str(source.path))
        link.sendall(data)
        link.shutdown(socket.SHUT_WR)
        assert link.recv(1000).startswith(b"! ")
    is_in(source, State.TROUBLE, "refused")
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(str(source.path))
        link.sendall(samples(0.2)[2000:])
        assert received(source, 0.1)[0] == 1000


def test_an_error_in_the_decoder_ends_only_that_client(source: SocketSource, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch, socket.socket(socket.AF_UNIX) as link:
        patch.setattr(PcmDecoder, "push", fail)
        link.connect(str(source.path))
        link.sendall(samples(0.2))
        is_in(source, State.TROUBLE, "internal error")
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(str(source.path))
        link.sendall(samples(0.2)[2000:])
        assert received(source, 0.1)[0] == 1000


def test_a_fast_sender_that_has_gone_makes_room_at_once(source: SocketSource) -> None:
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(str(source.path))
        link.sendall(samples(4))  # at real time the last of it would be read in three seconds
        is_in(source, State.RECEIVING)
    began = time.monotonic()
    is_in(source, State.WAITING, "ended")
    assert time.monotonic() - began < 1
    y = received(source, 4)
    assert y.tolist() == (np.arange(len(y)) % 20_000).tolist()


def test_random_bytes_are_shown_as_what_they_are(source: SocketSource) -> None:
    sender = FeedProcess(source.path)
    sender.send(os.urandom(40_000))
    is_in(source, State.TROUBLE, "random or compressed")
    sender.end()


def test_a_stalled_sender_is_shown_and_recovers(source: SocketSource) -> None:
    sender = FeedProcess(source.path)
    sender.send(samples(0.2))
    is_in(source, State.STALLED, "nothing for")
    sender.send(samples(0.2, start=round(0.2 * RATE)))
    is_in(source, State.RECEIVING)
    assert len(received(source, 0.4)) == round(0.4 * RATE)
    sender.end()


def test_too_fast_a_sender_that_stalls_is_shown_as_stalled(source: SocketSource) -> None:
    sender = FeedProcess(source.path)
    sender.send(samples(5.0))
    is_in(source, State.RECEIVING, "slowed down")
    is_in(source, State.STALLED, "nothing for")
    sender.end()


def test_a_sender_that_is_killed_makes_room(source: SocketSource) -> None:
    sender = FeedProcess(source.path)
    sender.send(samples(0.2))
    is_in(source, State.RECEIVING)
    sender.process.kill()
    is_in(source, State.WAITING)
    sender.end()


def test_too_fast_a_sender_is_held_to_real_time_and_told(tmp_path: Path) -> None:
    source = SocketSource(tmp_path / "feed.sock")
    sender = FeedProcess(source.path)
    began = time.monotonic()
    sender.process.stdin.write(samples(8))  # type: ignore[union-attr]
    is_in(source, State.RECEIVING, "faster than real time")
    y = received(source, 4)
    assert len(y) / RATE <= 1.02 * (time.monotonic() - began) + 3
    assert y.tolist() == (np.arange(len(y)) % 20_000).tolist()
    source.close()
    status, narration = sender.end()
    assert status == 1
    assert "faster than real time" in narration
    assert "the listener has ended" in narration


def test_nobody_listens(tmp_path: Path) -> None:
    status, narration = FeedProcess(tmp_path / "nobody.sock").end()
    assert status == 1
    assert "no program listens" in narration


def test_a_plain_program_may_feed_without_a_greeting(source: SocketSource) -> None:
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(str(source.path))
        link.sendall(samples(0.2)[2000:])
        assert received(source, 0.1)[0] == 1000


def test_the_socket_is_the_users_alone(source: SocketSource) -> None:
    assert source.path.stat().st_mode & 0o777 == 0o600


def test_the_folder_is_made_for_the_user_alone(tmp_path: Path) -> None:
    with listen_on(tmp_path / "new" / "feed.sock"):
        assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def test_a_folder_that_is_open_to_all_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(SocketError, match="accessible to other users"):
        listen_on(tmp_path / "open" / "feed.sock")


def test_one_listener_at_a_time_and_a_dead_ones_socket_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "feed.sock"
    with listen_on(path), pytest.raises(SocketError, match="listens already"):
        listen_on(path)
    assert path.is_socket()
    listen_on(path).close()


def test_the_usual_place_does_not_depend_on_how_one_logged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GENRE_TUI_SOCKET", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/somewhere")
    usual = default_socket()
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert default_socket() == usual
    monkeypatch.setenv("GENRE_TUI_SOCKET", "/tmp/mine.sock")
    assert default_socket() == Path("/tmp/mine.sock")
