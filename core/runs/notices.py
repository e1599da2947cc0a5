"""Notices about a run: the user's rules, deriving notices from events, and posting them to a webhook.

A webhook takes the format of Slack, Discord, ntfy, or plain JSON. Its address is not part of the recipe, because it
does not affect training. The trainer posts from a thread, so no viewer is needed, and an address that does not respond
only delays the end of the process. That a trainer was lost is posted by the first process of this user that notices it:
a viewer, ``runs``, or another trainer.
"""

import math
import os
import queue
import sys
import threading
import time
import urllib.parse
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import msgspec

from core.runs import lock
from core.runs.directory import registered
from core.runs.folder import RunFolder, RunReader
from core.runs.journal import events as ev
from core.runs.journal.events import Event
from core.runs.journal.log_lines import duration, percent
from core.runs.journal.reducer import reduce
from core.runs.journal.state import RunState
from core.runs.summary import QUIET, RunWatcher
from core.util.atomic import write_atomic
from core.util.errors import UserError
from core.util.files import read_json
from core.util.text import counted

Kind = Literal["finished", "stopped", "failed", "lost", "nan", "no_improvement", "best"]
NO_NOTICE = (ev.BatchProgress, ev.DeviceSample, ev.FeaturesProgress, ev.Warned, ev.ArtefactSaved, ev.RequestAnswered)
"""Events that never lead to a notice."""


class NotifyRules(msgspec.Struct, frozen=True, kw_only=True):
    """Which notices are sent to the terminals of viewers and to the webhook."""

    finished: bool = True
    """The run has finished."""
    stopped: bool = True
    """The run was stopped on request."""
    failed: bool = True
    """The run has failed."""
    lost: bool = True
    """The trainer died (killed, out of memory or rebooted). Another process of the user notices that."""
    nan: bool = True
    """The loss or a weight became NaN or infinite, which ends the run."""
    no_improvement: Annotated[int, msgspec.Meta(ge=0)] = 0
    """The best validation accuracy is this many epochs old; 0 for never."""
    best_above: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    """The validation accuracy has passed this fraction, such as 0.8; 0 for never."""


class Notice(NamedTuple):
    """A sentence about a run, without its name."""

    kind: Kind
    text: str


class RunNotices:
    """Derives notices from a run's events.

    Attributes:
        state: the run as of the last event taken, without batch progress. Its history has the epochs that improved the
            model and the last one; its name is the caller's business.
    """

    def __init__(self, rules: NotifyRules) -> None:
        self.rules = rules
        self.state = RunState.empty()

    def take(self, event: ev.Event) -> list[Notice]:
        """The notices for the next event."""
        if isinstance(event, NO_NOTICE):
            return []
        before, rules = self.state, self.rules
        if isinstance(event, ev.EpochFinished) and before.best is not None:
            # After a resume the best epoch matters; all others of a long run would only take memory.
            before = replace(before, history=before.history.up_to(before.best.epoch))
        self.state = reduce(before, [event])
        match event:
            case ev.EpochFinished():
                return self._epoch(before, event)
            case ev.RunFinished() if rules.finished:
                return [Notice("finished", f"finished after {self._duration()}{self._results()}")]
            case ev.RunStopped() if rules.stopped:
                return [Notice("stopped", f"stopped after {self._duration()}{self._results()}")]
            case ev.RunFailed(diverged=True) if rules.nan:
                return [Notice("nan", f"ended, the loss is NaN or infinite: {event.error}")]
            case ev.RunFailed(diverged=False) if rules.failed:
                return [Notice("failed", f"failed after {self._duration()}{self._results()}: {event.error}")]
            case _:
                return []

    def lost(self) -> list[Notice]:
        """The notices for a trainer that died without a last event."""
        return [Notice("lost", f"lost: the trainer died{self._results()}")] if self.rules.lost else []

    def _epoch(self, before: RunState, event: ev.EpochFinished) -> list[Notice]:
        best, limit = self.state.best, self.rules.best_above
        if best is None:
            return []
        notices = []
        former = -1.0 if before.best is None or math.isnan(before.best.val_accuracy) else before.best.val_accuracy
        if 0 < limit <= best.val_accuracy and former < limit:
            text = f"validation accuracy {percent(best.val_accuracy)} in epoch {best.epoch}, above {percent(limit)}"
            notices.append(Notice("best", text))
        if self.rules.no_improvement and event.epoch - best.epoch == self.rules.no_improvement:
            epochs = counted(self.rules.no_improvement, "epoch")
            notices.append(Notice("no_improvement", f"no improvement for {epochs}{self._results()}"))
        return notices

    def _duration(self) -> str:
        return duration(self.state.seconds(0.0))

    def _results(self) -> str:
        state = self.state
        best = "" if state.best is None else f", best validation accuracy {percent(state.best.val_accuracy)}"
        return best + ("" if state.test is None else f", test accuracy {percent(state.test.accuracy)}")


FILE = "webhook.json"
TIMEOUT_SECONDS = 10.0
LOST_SECONDS = 7 * 24 * 3600.0
LOOK_SECONDS = 60.0
DISCORD_CHARACTERS = 2000

Format = Literal["auto", "json", "slack", "discord", "ntfy"]
FORMATS: tuple[Format, ...] = ("auto", "json", "slack", "discord", "ntfy")


class Webhook(msgspec.Struct, frozen=True):
    """An address, its format, and which notices are sent to it."""

    url: str
    format: Format = "auto"
    rules: NotifyRules = NotifyRules()


class Post(NamedTuple):
    """A message and its address."""

    url: str
    body: dict[str, object]


def check_webhook(webhook: Webhook) -> None:
    """Check the address of a webhook.

    Raises:
        UserError: the address is invalid or does not suit the format.
    """
    url = webhook.url
    try:
        parts = urllib.parse.urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not url.isascii() or not url.isprintable() or " " in url:
        raise UserError(f"{url!r} is not an http or https address")
    if format_of(webhook) == "ntfy" and not parts.path.strip("/"):
        raise UserError(f"{url!r} names no topic; an ntfy address ends with one, as in https://ntfy.sh/TOPIC")


def write_webhook(run: RunFolder, webhook: Webhook) -> None:
    """Store the webhook of a run. Only the owner may read the file, because the address may be a secret.

    Raises:
        UserError: the address is invalid.
    """
    check_webhook(webhook)
    write_atomic(run.path / FILE, msgspec.json.encode(webhook), mode=0o600)


def read_webhook(run: RunFolder) -> Webhook | None:
    return read_json(run.path / FILE, Webhook)


def format_of(webhook: Webhook) -> Format:
    """The webhook's format; ``auto`` is detected from the address."""
    if webhook.format != "auto":
        return webhook.format
    parts = urllib.parse.urlsplit(webhook.url)
    host = (parts.hostname or "").lower()
    if host == "hooks.slack.com":
        return "slack"
    if host.removeprefix("ptb.").removeprefix("canary.") in ("discord.com", "discordapp.com"):
        return "discord"
    return "ntfy" if host.startswith("ntfy.") else "json"


def post_for(webhook: Webhook, notice: Notice, state: RunState) -> Post:
    """Format a notice for the service.

    Slack: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks; Discord:
    https://discord.com/developers/docs/resources/webhook#execute-webhook; ntfy:
    https://docs.ntfy.sh/publish/#publish-as-json.
    """
    text = f"{state.name} {notice.text}"
    match format_of(webhook):
        case "slack":
            escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
            return Post(webhook.url, {"text": escaped})
        case "discord":
            # Names such as @everyone must not notify anyone.
            return Post(webhook.url, {"content": text[:DISCORD_CHARACTERS], "allowed_mentions": {"parse": []}})
        case "ntfy":
            parts = urllib.parse.urlsplit(webhook.url)
            root, _, topic = parts.path.rstrip("/").rpartition("/")
            bad = notice.kind in ("failed", "lost", "nan")
            body: dict[str, object] = {
                "topic": urllib.parse.unquote(topic),
                "title": state.name,
                "message": notice.text,
                "tags": ["warning" if bad else "musical_note"],
                "priority": 4 if bad else 3,
            }
            return Post(parts._replace(path=f"{root}/").geturl(), body)
        case _:
            return Post(webhook.url, _plain(notice, state, text))


def _plain(notice: Notice, state: RunState, text: str) -> dict[str, object]:
    """The format for programs. ``text`` and ``content`` are shown by services compatible with Slack and Discord."""
    return {
        "text": text,
        "content": text,
        "event": notice.kind,
        "name": state.name,
        "state": state.end or ("lost" if notice.kind == "lost" else state.status),
        "model": state.model,
        "dataset": state.dataset,
        "epochs_done": state.epochs_done,
        "best_val_accuracy": None if state.best is None else state.best.val_accuracy,
        "test_accuracy": None if state.test is None else state.test.accuracy,
        "seconds": state.seconds(0.0),
        "host": state.host,
    }


def send(post: Post) -> bool:
    """Post a message; returns whether it arrived. Errors are printed."""
    import urllib.request  # slow to import, and only needed with a webhook

    body = msgspec.json.encode(post.body)
    asked = urllib.request.Request(post.url, body, {"Content-Type": "application/json", "User-Agent": "genre-tui"})
    try:
        with urllib.request.urlopen(asked, timeout=TIMEOUT_SECONDS):
            return True
    except (OSError, ValueError) as error:  # URLError is an OSError
        print(f"the webhook could not be posted: {error}", file=sys.stderr)
        return False


class WebhookNotifier:
    """Posts notices about the run that this process trains. ``take`` is the trainer's callback for events.

    Leaving the context waits up to `TIMEOUT_SECONDS` for pending posts: do so when the run's locks are free.
    """

    def __init__(self, run: RunFolder) -> None:
        self._run = run
        self._webhook = read_webhook(run)
        self._posts: queue.SimpleQueue[Post | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        if self._webhook is not None:
            self._notices = RunNotices(self._webhook.rules)
            self._read_earlier()

    def _read_earlier(self) -> None:
        """Read earlier events, which are not posted again."""
        RunReader(self._run, skip=QUIET, on_event=self._notices.take).poll()

    def take(self, event: Event) -> None:
        """Callback for each event; never waits."""
        if self._webhook is None:
            return
        for notice in self._notices.take(event):
            self._notices.state.name = self._run.name
            self._post(post_for(self._webhook, notice, self._notices.state))

    def _post(self, post: Post) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._send_all, name="webhook", daemon=True)
            self._thread.start()
        self._posts.put(post)

    def _send_all(self) -> None:
        while (post := self._posts.get()) is not None:
            send(post)

    def __enter__(self) -> "WebhookNotifier":
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread is not None:
            self._posts.put(None)
            self._thread.join(TIMEOUT_SECONDS)


def report_lost(run: RunFolder, state: RunState) -> bool:
    """Post that the trainer was lost, unless that was posted already; returns whether it arrived."""
    webhook = read_webhook(run)
    if webhook is None or not webhook.rules.lost:
        return False
    try:
        claim = _lost_claim(run, state.launched or 0.0)
        os.close(os.open(claim, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except OSError:  # another process was faster, or the folder belongs to another user
        return False
    notices = RunNotices(webhook.rules)
    notices.state = state
    return all(send(post_for(webhook, notice, state)) for notice in notices.lost())


def report_lost_runs(runs: Iterable[RunFolder]) -> None:
    """Report trainers that died in the last `LOST_SECONDS`, for example because the machine rebooted."""
    for run in runs:
        signed = lock.holder(run.lock_path)
        if signed is None or not (run.path / FILE).exists() or _lost_claim(run, signed.since).exists():
            continue
        if time.time() - lock.heartbeat(run.lock_path) / 1e9 > LOST_SECONDS:
            continue
        if RunWatcher(run).summary().state == "lost":
            report_lost(run, run.state())


def report_lost_runs_forever() -> None:
    """Start a thread that reports lost trainers of this user, now and every `LOOK_SECONDS`."""

    def look() -> None:
        while True:
            report_lost_runs(registered())
            time.sleep(LOOK_SECONDS)

    threading.Thread(target=look, name="lost runs", daemon=True).start()


def _lost_claim(run: RunFolder, launched: float) -> Path:
    """A file whose creator posts that the trainer launched at that time was lost."""
    return run.path / f".lost-{round(launched)}"
