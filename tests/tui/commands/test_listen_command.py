"""``listen`` and ``feed`` as a user calls them: through pipes, through the socket, from a real PortAudio device."""

import argparse
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from core.audio.files.decode import decode
from core.util.errors import UserError
from tests.support.commands import call, session
from tests.support.microphone import VIRTUAL_MIC, needs_microphone
from tests.support.paths import ROOT
from tests.support.recordings import write_sound
from tests.support.small_model import a_sound, shared_model
from tui.commands.listen import add_arguments, run
from tui.shell.printing import DONE, FAILED, INTERRUPTED, USAGE


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("GENRE_TUI_SOCKET", str(tmp_path / "feed" / "feed.sock"))


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    y, rate = decode(a_sound("saw-wall"))
    return write_sound(tmp_path / "sound.wav", y[: 10 * rate], rate)


def listen(*arguments: str | Path, sound: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    command = [sys.executable, "-m", "tui.cli", "listen", "--model", shared_model(), *arguments]
    return subprocess.run(command, input=sound, capture_output=True, timeout=120, check=False)


def objects(lines: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.splitlines()]


def test_a_file_through_standard_input_gives_the_files_segments(wav: Path) -> None:
    done = listen("--stdin", "--json", "--overlap", "0", sound=wav.read_bytes())
    assert done.returncode == DONE
    [classified] = objects(call("classify", wav, "--model", shared_model(), "--json").stdout.encode())
    live = objects(done.stdout)
    assert [(line["start_s"], line["end_s"]) for line in live] == [(0, 3), (3, 6), (6, 9), (7, 10)]
    for line, segment in zip(live, classified["segments"], strict=True):
        assert (line["genre"], line["uncertain"]) == (segment["genre"], segment["uncertain"])
        assert line["probabilities"] == pytest.approx(segment["probabilities"], abs=1e-5)


def test_bare_samples_at_a_stated_rate(wav: Path) -> None:
    y, rate = decode(wav)
    bare = (y * 32767).astype("<i2").tobytes()
    done = listen("--stdin", "--rate", str(rate), "--json", "--overlap", "0", sound=bare)
    assert {line["genre"] for line in objects(done.stdout)} == {"saw-wall"}


def test_lines_for_people(wav: Path) -> None:
    done = listen("--stdin", sound=wav.read_bytes())
    first = done.stdout.decode().splitlines()[0]
    assert first.startswith("00:03  saw-wall  saw-wall ")
    assert b"standard input, 22,050 Hz" in done.stderr


@pytest.mark.parametrize(
    ("sound", "said"),
    [
        (b"", "too little"),
        (b"a letter\n" * 1000, "text"),
    ],
    ids=["nothing", "text"],
)
def test_what_is_not_sound_is_one_line(sound: bytes, said: str) -> None:
    done = listen("--stdin", "--json", sound=sound)
    assert done.returncode == FAILED
    assert done.stdout == b""
    assert said in done.stderr.decode().splitlines()[-1]
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [["--overlap", "1"], ["--rate", "22050"], ["--stdin", "--rate", "1"]])
def test_wrong_usage(arguments: list[str]) -> None:
    done = listen(*arguments)
    assert done.returncode == USAGE
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "wanted", "device"),
    [
        (["--input", "USB mic"], "USB mic", "auto"),
        (["--input", "2", "--device", "cpu"], 2, "cpu"),
        (["--device", "2", "--compute", "cpu"], 2, "cpu"),
        (["--compute", "cpu", "--device", "2"], 2, "cpu"),
        ([], None, "auto"),
    ],
)
def test_the_input_and_the_compute_device_in_both_spellings(
    arguments: list[str], wanted: object, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[object] = []

    def refuse(found: object) -> None:
        opened.append(found)
        raise UserError("no microphone here")

    monkeypatch.setattr("core.audio.live.microphone.MicrophoneSource", refuse)
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    args = parser.parse_args(arguments)
    with pytest.raises(UserError, match="no microphone here"):
        run(args)
    assert opened == [wanted]
    assert args.device == device


def test_feed_and_listen_meet_at_the_socket(wav: Path, tmp_path: Path) -> None:
    path = tmp_path / "own" / "feed.sock"
    command = [
        sys.executable,
        "-m",
        "tui.cli",
        "listen",
        "--socket",
        str(path),
        "--json",
        "--model",
        str(shared_model()),
    ]
    with session(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as listener:
        assert listener.stderr is not None and listener.stdout is not None
        while b"waiting for genre-tui feed" not in listener.stderr.readline():
            assert listener.poll() is None
        with wav.open("rb") as sound:
            sender = subprocess.Popen([sys.executable, "-m", "tui.cli", "feed", "--socket", path], stdin=sound)
        [line] = objects(listener.stdout.readline())
        assert line["genre"] == "saw-wall"
        sender.send_signal(signal.SIGINT)
        assert sender.wait(30) == INTERRUPTED
        listener.send_signal(signal.SIGINT)
        listener.communicate(timeout=30)
        assert listener.returncode == INTERRUPTED


def test_feed_without_a_listener_is_an_error() -> None:
    done = call("feed")
    assert done.returncode == FAILED
    assert "no program listens" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.skipif(Path("/dev/snd").exists(), reason="this machine may have a microphone")
@pytest.mark.skipif(not VIRTUAL_MIC.exists(), reason="needs the virtual microphone's script")
def test_without_a_device_the_three_routes_are_printed() -> None:
    command = [str(VIRTUAL_MIC), "--none", sys.executable, "-m", "tui.cli", "listen", "--model", str(shared_model())]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == FAILED
    assert done.stderr.count("arecord -q") == 2
    assert "ssh -R" in done.stderr
    assert "no input device" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_without_portaudio_it_is_said_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ROOT}")
    done = listen()
    assert done.returncode == FAILED
    assert b"apt install libportaudio2" in done.stderr.splitlines()[-1]
    assert b"genre-tui feed" not in done.stderr.splitlines()[-1]
    assert b"arecord -q" in done.stderr
    assert b"Traceback" not in done.stderr


@needs_microphone
def test_a_device_that_goes_away_is_reported_and_waited_for(wav: Path) -> None:
    listening = [sys.executable, "-m", "tui.cli", "listen", "--model", str(shared_model())]
    with session([VIRTUAL_MIC, wav, *listening], stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        while b"receiving: " not in process.stderr.readline():
            assert process.poll() is None
        [server] = [child for child in psutil.Process(process.pid).children() if child.name() == "pulseaudio"]
        server.kill()
        while b"is not connected; waiting for it" not in (line := process.stderr.readline()):
            assert b"Traceback" not in line
            assert process.poll() is None
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=60)


@needs_microphone
def test_a_real_device_is_heard(wav: Path) -> None:
    listening = [sys.executable, "-m", "tui.cli", "listen", "--json", "--model", str(shared_model())]
    with session([VIRTUAL_MIC, wav, *listening], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        lines = [json.loads(process.stdout.readline()) for _ in range(6)]
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=60)
    assert lines[0]["start_s"] == 0
    assert lines[0]["end_s"] == 3
    assert all(0 <= line["latency_s"] < 5 for line in lines)
    assert {line["genre"] for line in lines} == {"saw-wall"}


@needs_microphone
def test_devices_are_listed(wav: Path) -> None:
    command = [str(VIRTUAL_MIC), str(wav), sys.executable, "-m", "tui.cli", "listen", "--list-devices"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert any(line.startswith("*") and "default" in line for line in done.stdout.splitlines())
