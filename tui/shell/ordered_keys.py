"""Keys take effect in the order in which they were pressed, however many arrive at once.

Textual sends a key to the focused widget and checks the bindings once the key has bubbled up; meanwhile the next key
may have been sent to a widget that is about to lose the focus. On a slow link, where keys arrive in bursts, ``/rock``
could resume a run (r) instead of filtering. Here a key waits until the previous one has been handled.
"""

import time
from collections import deque
from typing import TypeVar

from textual import events
from textual.app import App
from textual.message_pump import MessagePump

Result = TypeVar("Result")
Typed = events.Key | events.Paste

TIMEOUT = 1.0
"""Seconds after which a key no longer waits, so that a busy widget cannot block the keyboard."""


class OrderedKeysApp(App[Result]):
    def __init__(self) -> None:
        super().__init__()
        self._waiting: deque[Typed] = deque()
        self._busy = False
        self._since = 0.0

    async def on_event(self, event: events.Event) -> None:
        if not isinstance(event, Typed) or event.is_forwarded:
            await super().on_event(event)
        elif self._busy and time.monotonic() < self._since + TIMEOUT:
            self._waiting.append(event)
        else:
            await self._press(event)

    async def _press(self, event: Typed) -> None:
        self._busy, self._since = True, time.monotonic()
        await super().on_event(event)
        if event.is_forwarded:
            self._follow(self.focused or self.screen, event)
        else:
            self._handled()

    def _follow(self, node: MessagePump | None, event: Typed) -> None:
        """Wait behind the event in the node's queue, and then in its parent's, until it is handled."""

        def passed() -> None:
            if event._stop_propagation:
                self._handled()
            else:
                self._follow(node._parent if node is not None else None, event)

        if node is None or node is self or not node.call_later(passed):
            self._handled()

    def _handled(self) -> None:
        """The event has been handled, or is in the app's own queue ahead of the one sent now."""
        if self._waiting:
            self.call_later(self._press, self._waiting.popleft())
        else:
            self._busy = False
