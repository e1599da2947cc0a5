"""The control file: requests to a live trainer, which answers each with a `RequestAnswered` event."""

import time
import uuid
from pathlib import Path
from typing import Literal

import msgspec

from core.runs.journal.events import RequestAnswered
from core.runs.journal.journal import JournalReader
from core.util.atomic import write_atomic
from core.util.files import read_json

CONTROL = "control.json"
LONGEST = 64 * 1024
"""Most bytes of the file."""
JOURNAL = "events.jsonl"

Kind = Literal["pause", "resume", "stop", "extend"]

ANSWER_SECONDS = 5.0
"""Time after which a request is reported as unanswered."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    request: Kind
    id: str
    time: float
    epochs: int | None = None
    """For ``extend``: the new total number of epochs."""


def request(folder: Path, kind: Kind, *, epochs: int | None = None) -> str:
    """Send a request to the trainer of the run folder, replacing an earlier one; returns its id.

    `core.runs.actions.send_request` does not replace an unanswered stop.
    """
    asked = Request(request=kind, id=uuid.uuid4().hex[:12], time=time.time(), epochs=epochs)
    write_atomic(Path(folder) / CONTROL, msgspec.json.encode(asked))
    return asked.id


def read_request(folder: Path) -> Request | None:
    """The last request, answered or not; None if there is none or it cannot be read."""
    return read_json(Path(folder) / CONTROL, Request, LONGEST)


class ControlReader:
    """The trainer's end of the control file."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self._seen = ""
        self._stamp: tuple[int, int] | None = None

    def poll(self) -> Request | None:
        """A new request, or None. Costs one ``stat`` while nothing changes."""
        try:
            status = (self.folder / CONTROL).stat()
        except OSError:
            return None
        if (stamp := (status.st_ino, status.st_mtime_ns)) == self._stamp:
            return None
        self._stamp = stamp
        asked = read_request(self.folder)
        if asked is None or asked.id == self._seen:
            return None
        self._seen = asked.id
        return asked


def wait_for_answer(folder: Path, request_id: str, timeout: float = ANSWER_SECONDS) -> RequestAnswered | None:
    """The trainer's answer, or None after ``timeout`` seconds."""
    reader = JournalReader(Path(folder) / JOURNAL)
    deadline = time.monotonic() + timeout
    while True:
        for event in reader.read():
            if isinstance(event, RequestAnswered) and event.id == request_id:
                return event
        if time.monotonic() > deadline:
            return None
        time.sleep(0.05)
