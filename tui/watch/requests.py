"""The request that awaits the trainer's answer, and the signals that may follow if there is none.

A request goes into the run's control file; the answer is an event with the request's id. A signal may be sent only
after `ANSWER_SECONDS` without an answer: first SIGTERM, which a responsive trainer takes as a request to stop, then
SIGKILL.
"""

import os
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from textual.content import Content

from core.runs import lock
from core.runs.control import ANSWER_SECONDS, Kind, request
from core.runs.folder import RunFolder
from core.runs.journal.state import RunState
from core.util.errors import UserError

CONSEQUENCES = {
    signal.SIGTERM: "A responsive trainer takes it as a request to stop: it saves, tests and reports.",
    signal.SIGKILL: "It ends at once. Work since its last checkpoint is lost; resume continues from there.",
}
"""Effect of each signal, in the order in which they are offered."""
SHOWN = 8.0
"""Seconds for which an answer stays in view."""


@dataclass
class _Request:
    kind: Kind
    id: str
    at: float
    signals: tuple[signal.Signals, ...] = ()
    """Sent so far."""


class PendingRequest:
    """At most one request is open; a new one replaces an unanswered one, as in the control file."""

    def __init__(self, run: RunFolder, clock: Callable[[], float] = time.monotonic) -> None:
        self._run = run
        self._clock = clock
        self._open: _Request | None = None
        self._shown: tuple[Content, float] | None = None

    @property
    def is_open(self) -> bool:
        """Whether `notice` has, or just had, something to show."""
        return self._open is not None or self._shown is not None

    def ask(self, kind: Kind, *, epochs: int | None = None) -> None:
        """Send a request to the trainer.

        Raises:
            UserError: the run folder is not writable.
        """
        try:
            request_id = request(self._run.path, kind, epochs=epochs)
        except OSError as error:
            raise UserError(f"{self._run.control_path} cannot be written: {error.strerror}") from error
        self._open, self._shown = _Request(kind, request_id, self._clock()), None

    def next_signal(self) -> signal.Signals | None:
        """The signal that may be sent now, or None while the trainer still has time to answer."""
        if self._open is None or self._clock() - self._open.at < ANSWER_SECONDS:
            return None
        return signal.SIGTERM if signal.SIGTERM not in self._open.signals else signal.SIGKILL

    def send(self, chosen: signal.Signals, state: RunState) -> None:
        """Send a signal to the trainer that holds the run's lock, and to no other process.

        Raises:
            UserError: it runs on another machine, has ended, or belongs to another user.
        """
        if state.host and state.host != socket.gethostname():
            raise UserError(f"The trainer runs on {state.host} and can only be signalled there (process {state.pid}).")
        holder = lock.holder(self._run.lock_path)
        if holder is None or not lock.is_held(self._run.lock_path):
            raise UserError("The trainer has ended.")
        try:
            os.kill(holder[0], chosen)
        except OSError as error:
            raise UserError(f"{chosen.name} could not be sent to process {holder[0]}: {error.strerror}") from error
        if self._open is not None:
            self._open.signals += (chosen,)
            self._open.at = self._clock()

    def say(self, text: Content) -> None:
        """Show a line for a while."""
        self._shown = text, self._clock()

    def notice(self, state: RunState, key: str) -> Content | None:
        """A line about the open request, if any; closes it once its answer is in ``state``.

        Args:
            key: the key that sends the signal.
        """
        if self._open is not None:
            self._settle(self._open, state)
        if self._open is not None:
            return self._waiting(self._open, key)
        if self._shown is not None and self._clock() - self._shown[1] >= SHOWN:
            self._shown = None
        return self._shown and self._shown[0]

    def _settle(self, request: _Request, state: RunState) -> None:
        answer = state.answers.get(request.id)
        if answer is not None:
            mark, style = ("✓", "$good") if answer.accepted else ("!", "$warn")
            self.say(Content.styled(f"{mark} {request.kind}: {answer.message}", style))
        elif state.alive is False:
            self.say(Content.styled(f"! {request.kind}: the trainer ended without answering.", "$warn"))
        else:
            return
        self._open = None

    def _waiting(self, request: _Request, key: str) -> Content:
        due = self.next_signal()
        if due is None:
            what = f"{request.signals[-1].name} sent" if request.signals else request.kind
            return Content(f"… {what}: waiting for the trainer")
        silent = f"{request.signals[-1].name} sent, but the trainer is still alive" if request.signals else "no answer"
        return Content.styled(
            f"! {request.kind}: {silent} after {ANSWER_SECONDS:.0f} s. {key} offers {due.name}.", "$warn"
        )
