"""Keys take effect in the order in which they were pressed, however many arrive at once.

Textual hands a key to the widget in focus and looks at the bindings when the key has bubbled up from it; meanwhile the
next key may have been handed to a widget that is no longer meant. On a slow link, where keys come in bunches, ``/rock``
would then resume a run (r) instead of filtering. Here a key waits until the one before has gone all its way.
"""

import time
from collections import deque
from typing import TypeVar

from textual import events
from textual.app import App
from textual.message_pump import MessagePump

Result = TypeVar("Result")
Typed = events.Key | events.Paste

PATIENCE = 1.0
"""Seconds after which a key no longer waits: a widget that is busy for so long must not lock the keyboard."""


class KeysInOrder(App[Result]):
    def __init__(self) -> None:
        super().__init__()
        self._waiting: deque[Typed] = deque()
        self._under_way = False
        self._since = 0.0

    async def on_event(self, event: events.Event) -> None:
        if not isinstance(event, Typed) or event.is_forwarded:
            await super().on_event(event)
        elif self._under_way and time.monotonic() < self._since + PATIENCE:
            self._waiting.append(event)
        else:
            await self._press(event)

    async def _press(self, event: Typed) -> None:
        self._under_way, self._since = True, time.monotonic()
        await super().on_event(event)
        if event.is_forwarded:
            self._follow(self.focused or self.screen, event)
        else:
            self._arrived()

    def _follow(self, node: MessagePump | None, event: Typed) -> None:
        """Come after the event in the node's queue; when it is through there, go on to the parent that it went to."""

        def passed() -> None:
            if event._stop_propagation:
                self._arrived()
            else:
                self._follow(node._parent if node is not None else None, event)

        if node is None or node is self or not node.call_later(passed):
            self._arrived()

    def _arrived(self) -> None:
        """The event is through, or waits in the app's own queue: before the one that is put there now."""
        if self._waiting:
            self.call_later(self._press, self._waiting.popleft())
        else:
            self._under_way = False
