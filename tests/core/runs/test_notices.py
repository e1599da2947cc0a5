"""What is worth telling about a run, and telling it to a webhook."""

import http.server
import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.runs.directory import create, register, scan_runs
from core.runs.folder import RunFolder
from core.runs.journal import events as ev
from core.runs.launch import launch
from core.runs.notices import (
    FILE,
    LOST_SECONDS,
    Format,
    Notice,
    NotifyRules,
    RunNotices,
    Webhook,
    WebhookNotifier,
    format_of,
    post_for,
    read_webhook,
    report_lost,
    report_lost_runs,
    send,
    write_webhook,
)
from core.util.errors import UserError
from tests.support.event_sequences import beginning, epoch, numbered, run_started, whole_run, write_journal
from tests.support.waiting import wait_until


def told(events: list[ev.Event], **rules: float) -> list[tuple[str, str]]:
    notices = RunNotices(NotifyRules(**rules))  # type: ignore[arg-type]
    return [(notice.kind, notice.text) for event in numbered(events) for notice in notices.take(event)]


def test_by_default_only_how_a_run_ends() -> None:
    [(kind, text)] = told(whole_run())
    assert kind == "finished"
    assert text.endswith("best validation accuracy 70.0%, test accuracy 75.0%")
    assert told(whole_run(), finished=False) == []
    [(kind, _)] = told([*beginning(), ev.RunStopped(seconds=1.0, message="")])
    assert kind == "stopped"


@pytest.mark.parametrize(("diverged", "kind"), [(False, "failed"), (True, "nan")])
def test_a_failure_and_a_loss_that_is_nan_are_distinguished(diverged: bool, kind: str) -> None:
    events = [*beginning(), ev.RunFailed(error="a reason", traceback="", diverged=diverged)]
    [(told_kind, text)] = told(events)
    assert told_kind == kind
    assert text.endswith("a reason")
    assert told(events, **{kind: False}) == []


def test_no_improvement_is_reported_once_per_best() -> None:
    flat = [event for number in (2, 3, 4) for event in epoch(number, is_best=False)]
    events = [*beginning(9), *epoch(1), *flat, *epoch(5), *(e for n in (6, 7) for e in epoch(n, is_best=False))]
    assert [text.split(",")[0] for _, text in told(events, no_improvement=2)] == ["no improvement for 2 epochs"] * 2


def test_a_best_that_passes_the_limit_is_reported_once() -> None:
    assert told([*beginning(), *epoch(1), *epoch(2), *epoch(3)], best_above=0.55) == [
        ("best", "validation accuracy 60.0% in epoch 2, above 55.0%")
    ]
    assert told([*beginning(), *epoch(1)], best_above=0.9) == []


def test_a_long_run_without_improvement_keeps_few_epochs_and_its_best_across_a_resume() -> None:
    notices = RunNotices(NotifyRules(best_above=0.55))
    flat = [event for number in range(3, 200) for event in epoch(number, is_best=False)]
    resumed = run_started(200, resumed_from=150)
    events = [*beginning(200), *epoch(1), *epoch(2), *flat, resumed, *epoch(151, is_best=False)]
    assert [notice.kind for event in numbered(events) for notice in notices.take(event)] == ["best"]
    assert notices.state.best is not None and notices.state.best.epoch == 2
    assert [row.epoch for row in notices.state.history] == [1, 2, 151]


Server = tuple[str, list[tuple[str, dict[str, Any]]]]


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    run = create(tmp_path, {"data": "x"}, "music", "small_cnn", name="evening")
    write_journal(run.journal_path, whole_run())
    return run


@pytest.fixture
def received() -> Iterator[Server]:
    """The address of a server, and what was posted to it."""
    posts: list[tuple[str, dict[str, Any]]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.headers["Content-Type"] == "application/json"
            posts.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
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


def train(run: RunFolder, events: list[ev.Event]) -> None:
    """As the trainer process does it."""
    with WebhookNotifier(run) as webhook:
        for event in numbered(events):
            webhook.take(event)


def test_the_end_of_a_run_is_posted(run: RunFolder, received: Server) -> None:
    address, posts = received
    run.journal_path.unlink()
    write_webhook(run, Webhook(address))
    train(run, whole_run())
    [(_, post)] = posts
    assert (post["event"], post["state"], post["name"]) == ("finished", "finished", "evening")
    assert post["test_accuracy"] == 0.75
    assert post["text"] == post["content"]
    assert str(post["text"]).startswith("evening finished after ")
    assert str(post["text"]).endswith("best validation accuracy 70.0%, test accuracy 75.0%")


def test_nothing_is_posted_unless_asked_for(run: RunFolder, received: Server) -> None:
    address, posts = received
    train(run, whole_run())
    run.journal_path.unlink()
    write_webhook(run, Webhook(address, rules=NotifyRules(finished=False)))
    train(run, whole_run())
    assert not posts


def test_a_resumed_run_is_not_told_again_what_it_had_reached(run: RunFolder, received: Server) -> None:
    address, posts = received
    run.journal_path.unlink()
    earlier = [*beginning(4), *epoch(1), *epoch(2), ev.RunStopped(seconds=2.0, message="")]
    written = write_journal(run.journal_path, earlier)
    write_webhook(run, Webhook(address, rules=NotifyRules(best_above=0.5, no_improvement=1)))
    later = [run_started(4, resumed_from=2), *epoch(3), *epoch(4, is_best=False)]
    with WebhookNotifier(run) as webhook:
        for event in numbered(later, first=len(written), start=time.time() + 1):
            webhook.take(event)
    assert [post["event"] for _, post in posts] == ["no_improvement"]


SLACK, DISCORD = "https://hooks.slack.com/services/T/B/x", "https://discord.com/api/webhooks/1/x"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (SLACK, "slack"),
        (DISCORD, "discord"),
        ("https://canary.discord.com/api/webhooks/1/x", "discord"),
        ("https://ntfy.sh/my-runs", "ntfy"),
        ("https://ntfy.example.org/my-runs", "ntfy"),
        ("https://example.org/hook", "json"),
        ("https://hooks.slack.com.example.org/hook", "json"),
    ],
)
def test_the_address_decides_the_format(url: str, expected: str) -> None:
    assert format_of(Webhook(url)) == expected
    assert format_of(Webhook(url, "json")) == "json"


@pytest.mark.parametrize(
    ("format", "path", "body"),
    [
        ("slack", "/hook/x", {"text": "a&amp;&lt;b&gt; failed: @everyone"}),
        ("discord", "/hook/x", {"content": "a&<b> failed: @everyone", "allowed_mentions": {"parse": []}}),
        (
            "ntfy",
            "/hook/",
            {"topic": "x", "title": "a&<b>", "message": "failed: @everyone", "tags": ["warning"], "priority": 4},
        ),
    ],
)
def test_each_service_gets_its_documented_payload(
    run: RunFolder, received: Server, format: Format, path: str, body: dict[str, Any]
) -> None:
    address, posts = received
    state = run.state()
    state.name = "a&<b>"
    assert send(post_for(Webhook(f"{address}/hook/x", format), Notice("failed", "failed: @everyone"), state))
    assert posts == [(path, body)]


def test_discord_takes_two_thousand_characters(run: RunFolder) -> None:
    post = post_for(Webhook(DISCORD), Notice("failed", "x" * 5000), run.state())
    assert len(str(post.body["content"])) == 2000


def test_a_dead_address_costs_the_trainer_nothing_and_is_printed(
    run: RunFolder, received: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    address, posts = received
    run.journal_path.unlink()
    write_webhook(run, Webhook("http://127.0.0.1:9/nobody", rules=NotifyRules(no_improvement=1)))
    with WebhookNotifier(run) as webhook:
        began = time.monotonic()
        for event in numbered([*beginning(40), *epoch(1), *(e for n in range(2, 40) for e in epoch(n, is_best=False))]):
            webhook.take(event)
        assert time.monotonic() - began < 2
    assert capsys.readouterr().err.count("the webhook could not be posted") == 1
    write_webhook(run, Webhook(f"{address}/broken"))
    train(run, whole_run())
    assert len(posts) == 1
    assert "the webhook could not be posted: HTTP Error 500" in capsys.readouterr().err


def test_a_lost_trainer_is_reported_by_one_viewer(tmp_path: Path, received: Server) -> None:
    address, posts = received
    run = create(tmp_path, {}, "music", "small_cnn", name="night")
    write_journal(run.journal_path, [*beginning(), *epoch(1)])
    run.lock_path.touch()
    write_webhook(run, Webhook(address))
    state = run.state()
    assert state.status == "lost"
    assert [report_lost(run, state), report_lost(run, state)] == [True, False]
    [(_, post)] = posts
    assert (post["event"], post["state"]) == ("lost", "lost")


def lost_run(folder: Path, name: str, address: str, *, died: float = 0.0) -> RunFolder:
    run = create(folder, {}, "music", "small_cnn", name=name)
    write_journal(run.journal_path, [*beginning(), *epoch(1)])
    run.lock_path.write_text(f"1 {died or time.time():.6f} here\n")
    if died:
        os.utime(run.lock_path, (died, died))
    write_webhook(run, Webhook(address))
    return run


def test_a_trainer_that_died_unseen_is_reported_once_by_another_process(
    tmp_path: Path, received: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, posts = received
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    register(lost_run(tmp_path, "night", address))
    lost_run(tmp_path, "unregistered", address)
    register(lost_run(tmp_path, "long ago", address, died=time.time() - LOST_SECONDS - 60))
    monkeypatch.setenv("SECONDS", "0.1")
    other = create(tmp_path / "others", {"data": "/music", "model": "small_cnn", "epochs": 3}, "music", "quick")
    launch(other, module="tests.support.light_trainer")
    wait_until(lambda: posts, "the other trainer reports it")
    wait_until(lambda: other.state().status == "finished", "it has finished")
    assert [post["name"] for _, post in posts] == ["night"]
    for _ in range(2):
        report_lost_runs(scan_runs(tmp_path))  # as runs does
        assert [(post["name"], post["event"]) for _, post in posts] == [("night", "lost"), ("unregistered", "lost")]


def test_the_address_is_for_its_owner_alone(run: RunFolder) -> None:
    write_webhook(run, Webhook("https://example.org/secret"))
    assert (run.path / FILE).stat().st_mode & 0o777 == 0o600
    with pytest.raises(UserError, match="not an http or https address"):
        write_webhook(run, Webhook("file:///etc/passwd"))
    with pytest.raises(UserError, match="names no topic"):
        write_webhook(run, Webhook("https://ntfy.sh"))


def test_what_an_earlier_version_asked_for_is_still_posted(run: RunFolder) -> None:
    (run.path / FILE).write_text('{"url":"https://example.org/a"}')
    assert read_webhook(run) == Webhook("https://example.org/a")
