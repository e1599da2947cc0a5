"""What was asked of a trainer from a screen, until the trainer has answered, and what can be done when it does not.

A request goes into the run's control file; the answer is an event with the request's id. Only where none comes in
`ANSWER_SECONDS` may a signal be sent: first SIGTERM, which a trainer that still listens takes as a request to stop,
then SIGKILL.
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
    signal.SIGTERM: "A trainer that still listens takes it as a request to stop: it saves, tests and reports.",
    signal.SIGKILL: "It ends at once. What it did since its last checkpoint is lost; resume goes on from there.",
}
"""What comes of each signal, in the order in which they are offered."""
SHOWN = 8.0
"""Seconds for which an answer stays in view."""


@dataclass
class Asked:
    kind: Kind
    id: str
    at: float
    signals: tuple[signal.Signals, ...] = ()
    """Sent so far."""


class Requests:
    """At most one request is open; a new one takes the place of an unanswered one, as it does in the control file."""

    def __init__(self, run: RunFolder, clock: Callable[[], float] = time.monotonic) -> None:
        self._run = run
        self._clock = clock
        self._asked: Asked | None = None
        self._said: tuple[Content, float] | None = None

    @property
    def is_open(self) -> bool:
        """Whether `notice` has, or just had, something to say."""
        return self._asked is not None or self._said is not None

    def ask(self, kind: Kind, *, epochs: int | None = None) -> None:
        """Put a request before the trainer.

        Raises:
            UserError: the run's folder cannot be written to.
        """
        try:
            request_id = request(self._run.path, kind, epochs=epochs)
        except OSError as error:
            raise UserError(f"{self._run.control_path} cannot be written: {error.strerror}") from error
        self._asked, self._said = Asked(kind, request_id, self._clock()), None

    def next_signal(self) -> signal.Signals | None:
        """The signal that may be sent now, or None while the trainer still has time to answer."""
        if self._asked is None or self._clock() - self._asked.at < ANSWER_SECONDS:
            return None
        return signal.SIGTERM if signal.SIGTERM not in self._asked.signals else signal.SIGKILL

    def send(self, chosen: signal.Signals, state: RunState) -> None:
        """Send a signal to the trainer that holds the run's lock, and to no other process.

        Raises:
            UserError: it runs on another machine, has ended, or belongs to somebody else.
        """
        if state.host and state.host != socket.gethostname():
            raise UserError(f"The trainer runs on {state.host}; it can only be signalled there (process {state.pid}).")
        holder = lock.holder(self._run.lock_path)
        if holder is None or not lock.is_held(self._run.lock_path):
            raise UserError("The trainer has ended.")
        try:
            os.kill(holder[0], chosen)
        except OSError as error:
            raise UserError(f"{chosen.name} could not be sent to process {holder[0]}: {error.strerror}") from error
        if self._asked is not None:
            self._asked.signals += (chosen,)
            self._asked.at = self._clock()

    def say(self, text: Content) -> None:
        """Show a line for a while."""
        self._said = text, self._clock()

    def notice(self, state: RunState, key: str) -> Content | None:
        """What there is to say about the open request; closes it when the answer is in ``state``.

        Args:
            key: the key that offers the signal.
        """
        if self._asked is not None:
            self._settle(self._asked, state)
        if self._asked is not None:
            return self._waiting(self._asked, key)
        if self._said is not None and self._clock() - self._said[1] >= SHOWN:
            self._said = None
        return self._said and self._said[0]

    def _settle(self, asked: Asked, state: RunState) -> None:
        answer = state.answers.get(asked.id)
        if answer is not None:
            mark, style = ("✓", "$good") if answer.accepted else ("!", "$warn")
            self.say(Content.styled(f"{mark} {asked.kind}: {answer.message}", style))
        elif state.alive is False:
            self.say(Content.styled(f"! {asked.kind}: the trainer ended before it answered.", "$warn"))
        else:
            return
        self._asked = None

    def _waiting(self, asked: Asked, key: str) -> Content:
        due = self.next_signal()
        if due is None:
            what = f"{asked.signals[-1].name} sent" if asked.signals else asked.kind
            return Content(f"… {what}: waiting for the trainer")
        silent = f"{asked.signals[-1].name} was sent, and it is still there" if asked.signals else "no answer"
        return Content.styled(
            f"! {asked.kind}: {silent} after {ANSWER_SECONDS:.0f} s. {key} offers {due.name}.", "$warn"
        )
