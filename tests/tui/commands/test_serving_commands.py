"""``serve``, ``web``, ``export`` and ``import`` as they are typed."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.browser import asked_for, chromium, needs_chromium
from tests.support.paths import ROOT
from tests.support.small_model import a_sound, shared_model
from tests.support.waiting import wait_until
from tui.cli import main

TOKEN = "a-token-of-some-length"


@contextmanager
def running(*arguments: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A command that serves, and the address that it prints."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tui.cli", *arguments], cwd=ROOT, stderr=subprocess.PIPE, text=True,
        env={key: value for key, value in os.environ.items() if key != "GENRE_TUI_TOKEN"} | environment,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        found = next(filter(None, (re.search(r"http://\S+", line) for line in process.stderr)), None)
        assert found, "the command printed no address"
        yield process, found[0]
    finally:
        process.terminate()
        process.wait(30)


def test_serve_answers_on_this_machine_until_it_is_told_to_stop(tmp_path: Path) -> None:
    with running("serve", "--port", "0", "--model", str(shared_model()), "--runs", str(tmp_path)) as (process, address):
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", address)
        answer = httpx.post(f"{address}v1/classify", content=a_sound("saw-wall").read_bytes(), timeout=60)
        assert answer.json()["genre"] == "saw-wall"
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


def test_serve_takes_its_token_from_the_environment(tmp_path: Path) -> None:
    arguments = ("serve", "--port", "0", "--model", str(shared_model()), "--runs", str(tmp_path))
    with running(*arguments, GENRE_TUI_TOKEN=TOKEN) as (_, address):
        assert address.endswith(f"/?token={TOKEN}")
        models = address.partition("?")[0] + "v1/models"
        assert httpx.get(models).status_code == 401
        assert httpx.get(models, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200


def test_a_port_that_is_taken_is_said_in_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["serve", "--port", port, "--model", str(shared_model()), "--runs", str(tmp_path)]) == 1
    assert re.fullmatch(rf"genre-tui: cannot listen on 127.0.0.1 port {port}: .+\n", capsys.readouterr().err)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--port", "99999"], "a port is a number from 0 to 65535, not 99999"),
        (["--max-body", "0"], "--max-body must be at least 1"),
        (["--max-audio", "nan"], "--max-audio above 0"),
        (["--spool", "nowhere/x"], "no folder for uploads can be made in nowhere/x: No such file"),
    ],
)
def test_options_of_serve_that_cannot_be_met(
    options: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    arguments = ["serve", "--port", "0", "--model", str(shared_model()), "--runs", str(tmp_path), *options]
    assert main(arguments) in (1, 2)
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_a_model_is_exported_imported_and_used(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    archive, model = tmp_path / "travels.zip", tmp_path / "arrived.pth"
    assert main(["export", str(shared_model()), str(archive)]) == 0
    assert main(["import", str(archive), str(model)]) == 0
    assert "4 genres" in capsys.readouterr().err
    assert main(["classify", "--model", str(model), "--json", str(a_sound("organ-hymn"))]) == 0
    assert '"genre":"organ-hymn"' in capsys.readouterr().out
    assert main(["import", str(archive), str(model)]) == 2
    assert main(["import", str(shared_model()), str(tmp_path / "x.pth")]) == 1
    assert main(["export", str(shared_model()), str(tmp_path / "x.exe")]) == 2


def test_web_lets_nobody_in_without_the_token() -> None:
    with running("web", "--port", "0") as (process, address):
        bare = address.partition("?")[0]
        for path in ("", "ws", "static/js/textual.js", "?token=wrong"):
            assert httpx.get(bare + path).status_code == 401
        assert httpx.get(address, headers={"Host": "evil.example"}).status_code != 200
        assert httpx.get(address, headers={"Origin": "http://evil.example"}).status_code == 403
        with httpx.Client() as client:
            assert "textual-terminal" in client.get(address, follow_redirects=True).text
            assert client.get(bare + "static/js/textual.js").status_code == 200
        for _ in range(5):  # malformed, and only the first is logged
            with socket.create_connection(("127.0.0.1", int(bare.rstrip("/").rpartition(":")[2])), 10) as connection:
                connection.sendall(b"GET / HTTP/1.1\r\nHost : x\r\n\r\n")
                assert b" 400 " in connection.recv(20)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert process.stderr.read() == "Error handling request from 127.0.0.1\n"


@needs_chromium
def test_web_shows_the_app_in_a_browser(tmp_path: Path) -> None:
    with running("web", "--port", "0", "--runs", str(tmp_path)) as (_, address), chromium() as browser:
        browser.get(address)
        script = "return document.body.className.includes('-first-byte')"
        wait_until(lambda: browser.execute_script(script), "the app's first picture", 60)
        assert "token" not in browser.current_url
        elsewhere = [url for url in asked_for(browser) if "127.0.0.1" not in url and url.startswith(("http", "ws"))]
        blocked = [entry["message"] for entry in browser.get_log("browser")]
        # The page names a font of somebody else's; the browser was told not to fetch it.
        assert all("fonts.googleapis.com" in url for url in elsewhere)
        assert not elsewhere or any("Content Security Policy" in message for message in blocked)
