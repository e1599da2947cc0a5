import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.runs.directory import create
from core.runs.folder import RunFolder
from core.runs.webhook import FILE, run_ended, write_webhook
from core.util.errors import UserError
from tests.support.event_sequences import whole_run, write_journal


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    run = create(tmp_path, {"data": "x"}, "music", "small_cnn", name="evening")
    write_journal(run.journal_path, whole_run())
    return run


@pytest.fixture
def received() -> Iterator[tuple[str, list[dict[str, object]]]]:
    """The address of a server, and what was posted to it."""
    posts: list[dict[str, object]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posts.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(500 if self.path == "/broken" else 204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", posts
        server.shutdown()
        thread.join()


def test_the_end_of_a_run_is_posted(run: RunFolder, received: tuple[str, list[dict[str, object]]]) -> None:
    address, posts = received
    write_webhook(run, address)
    assert run_ended(run)
    (post,) = posts
    assert post["state"] == "finished"
    assert post["test_accuracy"] == 0.75
    assert str(post["text"]).startswith("evening finished after ")
    assert str(post["text"]).endswith("best validation accuracy 70.0%, test accuracy 75.0%")


def test_nothing_is_posted_unless_asked_for(run: RunFolder) -> None:
    assert not run_ended(run)


def test_a_webhook_that_fails_is_printed_and_no_more(
    run: RunFolder, received: tuple[str, list[dict[str, object]]], capsys: pytest.CaptureFixture[str]
) -> None:
    address, posts = received
    write_webhook(run, f"{address}/broken")
    assert not run_ended(run)
    assert len(posts) == 1
    write_webhook(run, "http://127.0.0.1:9/nobody")
    assert not run_ended(run)
    assert capsys.readouterr().err.count("the webhook could not be posted") == 2


def test_the_address_is_for_its_owner_alone(run: RunFolder) -> None:
    write_webhook(run, "https://example.org/secret")
    assert (run.path / FILE).stat().st_mode & 0o777 == 0o600
    with pytest.raises(UserError, match="not an http or https address"):
        write_webhook(run, "file:///etc/passwd")
