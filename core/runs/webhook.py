"""A webhook when a run ends, if asked for. It is stored beside the recipe, because it does not affect the training.

The trainer process calls `run_ended` last, after its final event is written, so it works with nobody watching. A
killed trainer sends nothing.
"""

import sys
import urllib.parse

import msgspec

from core.runs.folder import RunFolder
from core.runs.journal.log_lines import duration, percent
from core.runs.journal.state import RunState
from core.util.atomic import write_atomic
from core.util.errors import UserError
from core.util.files import read_small

FILE = "webhook.json"
TIMEOUT_SECONDS = 10.0


class Webhook(msgspec.Struct, frozen=True):
    url: str


def check_webhook(url: str) -> None:
    """
    Raises:
        UserError: nothing can be posted to ``url``.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not url.isascii() or not url.isprintable() or " " in url:
        raise UserError(f"{url!r} is not an http or https address")


def write_webhook(run: RunFolder, url: str) -> None:
    """Has a summary posted to ``url`` when the run ends. Only the owner may read it: it may hold a secret.

    Raises:
        UserError: nothing can be posted to ``url``.
    """
    check_webhook(url)
    write_atomic(run.path / FILE, msgspec.json.encode(Webhook(url)), mode=0o600)


def read_webhook(run: RunFolder) -> str | None:
    try:
        return msgspec.json.decode(read_small(run.path / FILE), type=Webhook).url
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def run_ended(run: RunFolder) -> bool:
    """Posts the run's end if a webhook was asked for; whether it arrived. A failure is only printed."""
    url = read_webhook(run)
    if url is None:
        return False
    import urllib.request  # slow to import, and only a run with a webhook needs it

    body = msgspec.json.encode(message(run.state()))
    asked = urllib.request.Request(url, body, {"Content-Type": "application/json", "User-Agent": "genre-tui"})
    try:
        with urllib.request.urlopen(asked, timeout=TIMEOUT_SECONDS):
            return True
    except (OSError, ValueError) as error:  # URLError is an OSError
        print(f"the webhook could not be posted: {error}", file=sys.stderr)
        return False


def message(state: RunState) -> dict[str, object]:
    """The posted object. Slack and compatible services show ``text``, Discord shows ``content``."""
    status = state.end or state.status
    best = "" if state.best is None else f", best validation accuracy {percent(state.best.val_accuracy)}"
    test = "" if state.test is None else f", test accuracy {percent(state.test.accuracy)}"
    error = f": {state.end_message}" if status == "failed" else ""
    text = f"{state.name} {status} after {duration(state.seconds(0.0))}{best}{test}{error}"
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
        "seconds": state.seconds(0.0),
        "host": state.host,
    }
