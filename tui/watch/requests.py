"""The line about a request on the Watch screen: waiting, answered, or the signal offered when there is no answer."""

import signal
import time
from collections.abc import Callable

from textual.content import Content

from core.runs import actions, control
from core.runs.folder import RunFolder
from core.runs.journal.state import RunState

CONSEQUENCES = {
    signal.SIGTERM: "A responsive trainer takes it as a request to stop: it saves, tests and reports.",
    signal.SIGKILL: "It ends at once. Work since its last checkpoint is lost; resume continues from there.",
}
"""Effect of each signal, in the order in which they are offered."""
SHOWN_SECONDS = 8.0
"""How long an answer stays in view."""


class PendingRequest(actions.RequestTracker):
    """The open request, and the line about it."""

    def __init__(self, run: RunFolder, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(run, clock)
        self._shown: tuple[Content, float] | None = None

    @property
    def is_open(self) -> bool:
        """Whether `notice` has a line to show, or just had one."""
        return self.open is not None or self._shown is not None

    def say(self, text: Content) -> None:
        """Show a line for a while."""
        self._shown = text, self._clock()

    def notice(self, state: RunState, key: str) -> Content | None:
        """A line about the open request, if any; closes it once its answer is in ``state``.

        Args:
            key: the key that sends the signal.
        """
        if (settled := self.settle(state)) is not None:
            request, answer = settled
            if answer is None:
                self.say(Content.styled(f"! {request.kind}: the trainer ended without answering.", "$warn"))
            else:
                mark, style = ("✓", "$good") if answer.accepted else ("!", "$warn")
                self.say(Content.styled(f"{mark} {request.kind}: {answer.message}", style))
        if self.open is not None:
            return self._waiting(self.open, key)
        if self._shown is not None and self._clock() - self._shown[1] >= SHOWN_SECONDS:
            self._shown = None
        return self._shown and self._shown[0]

    def _waiting(self, request: actions.OpenRequest, key: str) -> Content:
        due = self.next_signal()
        if due is None:
            what = f"{request.signals[-1].name} sent" if request.signals else request.kind
            return Content(f"… {what}: waiting for the trainer")
        silent = f"{request.signals[-1].name} sent, but the trainer is still alive" if request.signals else "no answer"
        return Content.styled(
            f"! {request.kind}: {silent} after {control.ANSWER_SECONDS:.0f} s. {key} offers {due.name}.", "$warn"
        )
