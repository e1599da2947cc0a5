"""A webhook when a run ends, if asked for. It lies beside the recipe: where news goes has no part in how a run goes.

The trainer process calls `run_ended` last, after its final event is written, so it works with nobody watching. A
killed trainer sends nothing: it has no last moment.
"""

import sys
import urllib.request

import msgspec

from core.runs.folder import RunFolder
from core.runs.journal.log_lines import duration, percent
from core.runs.journal.state import RunState
from core.util.atomic import write_atomic
from core.util.errors import UserError

FILE = "webhook.json"
TIMEOUT_SECONDS = 10.0


class Webhook(msgspec.Struct, frozen=True):
    url: str


def write_webhook(run: RunFolder, url: str) -> None:
    """Asks that a summary be posted to ``url`` when the run ends. Only the owner may read it: it may hold a secret.

    Raises:
        UserError: it is no http or https address.
    """
    if not url.startswith(("http://", "https://")):
        raise UserError(f"{url!r} is no http or https address")
    write_atomic(run.path / FILE, msgspec.json.encode(Webhook(url)))
    (run.path / FILE).chmod(0o600)


def read_webhook(run: RunFolder) -> str | None:
    try:
        return msgspec.json.decode((run.path / FILE).read_bytes(), type=Webhook).url
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def run_ended(run: RunFolder) -> bool:
    """Posts the run's end if a webhook was asked for; whether it arrived. A failure is printed, and no more."""
    url = read_webhook(run)
    if url is None:
        return False
    body = msgspec.json.encode(message(run.state()))
    asked = urllib.request.Request(url, body, {"Content-Type": "application/json", "User-Agent": "genre-tui"})
    try:
        with urllib.request.urlopen(asked, timeout=TIMEOUT_SECONDS):
            return True
    except (OSError, ValueError) as error:  # URLError is an OSError
        print(f"the webhook did not get through: {error}", file=sys.stderr)
        return False


def message(state: RunState) -> dict[str, object]:
    """What is posted. ``text`` is what Slack and its kin show, ``content`` what Discord does."""
    status = state.end or state.status
    best = "" if state.best is None else f", best validation accuracy {percent(state.best.val_accuracy)}"
    test = "" if state.test is None else f", test accuracy {percent(state.test.accuracy)}"
    error = f": {state.end_message}" if status == "failed" else ""
    text = f"{state.name} {status} after {duration(state.seconds(state.time))}{best}{test}{error}"
    return {
        "text": text,
        "content": text,
        "name": state.name,
        "state": status,
        "model": state.model,
        "dataset": state.dataset,
        "epochs_done": state.epochs_done,
        "best_val_accuracy": None if state.best is None else state.best.val_accuracy,
        "test_accuracy": None if state.test is None else state.test.accuracy,
        "seconds": state.seconds(state.time),
        "host": state.host,
    }
