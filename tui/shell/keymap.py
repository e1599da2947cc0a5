"""The key map (every binding by its id, and the changes that the settings make), and keys in their order.

Ids are ``SCREEN.ACTION``. Those of ``app`` and ``mode`` work on every screen, those of ``list`` in every list.

A letter means the same on every screen, and `tests/tui/shell/test_keys.py` has them all: p plays or pauses (a run, a
sound), r repeats (resumes, classifies again), s stops, n is new, e extends or edits, m chooses the model, w writes
files, c compares, d deletes, x excludes, u undoes, y copies, o opens the options of charts.
"""

import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from textual import events
from textual.app import App
from textual.binding import Binding
from textual.dom import DOMNode
from textual.message_pump import MessagePump

EVERYWHERE = {"app", "mode", "list", "panel"}
RENAMED = {
    f"{screen}.{before}": f"{screen}.options"
    for screen in ("watch", "compare")
    for before in ("outliers", "smooth", "steps")
}
"""Ids of earlier versions, which settings files may still contain, and what does their work now."""


def bindings_of(owners: Iterable[type[DOMNode]]) -> dict[str, tuple[str, str]]:
    """Binding id → (default key, description) of the bindings that these classes define."""
    return {
        binding.id or "": (binding.key, binding.tooltip or binding.description)
        for owner in owners
        for binding in own_bindings(owner)
    }


def own_bindings(owner: type[DOMNode]) -> Iterator[Binding]:
    """The bindings that a class defines and that the key map can change."""
    for binding in owner.BINDINGS:
        if isinstance(binding, Binding) and binding.id:
            yield binding


def usable_keys(keys: Mapping[str, str], known: Mapping[str, tuple[str, str]]) -> tuple[dict[str, str], list[str]]:
    """The part of a key map that can be used, and one sentence for each entry that cannot.

    An entry cannot be used if its binding is unknown or if a screen would have the key twice; the others hold.

    Args:
        keys: binding id → key, from the settings. Ids of earlier versions are understood.
        known: all bindings, from `bindings_of`.
    """
    mistakes = [
        f"There is no key binding {name!r}; `genre-tui config` lists them all."
        for name in keys
        if name not in known and name not in RENAMED
    ]
    wanted = {RENAMED[name]: key for name, key in reversed(list(keys.items())) if name in RENAMED}
    wanted |= {name: key for name, key in keys.items() if name in known}
    used = dict(wanted)
    for name in (name for name in wanted if wanted[name] != known[name][0]):
        in_effect = {other: used.get(other, default) for other, (default, _) in known.items()}
        for key in map(str.strip, wanted[name].split(",")):
            others = [
                other
                for other, taken in in_effect.items()
                if other != name and key in map(str.strip, taken.split(",")) and _share_a_screen(name, other)
            ]
            if others and name in used:
                mistakes.append(f"The key {key!r} is given to both {name} and {others[0]}; change one of them.")
                del used[name]
    return used, mistakes


def _share_a_screen(name: str, other: str) -> bool:
    screens = {name.partition(".")[0], other.partition(".")[0]}
    return len(screens) == 1 or bool(screens & EVERYWHERE)


Result = TypeVar("Result")
Typed = events.Key | events.Paste

TIMEOUT = 1.0
"""Seconds after which a key no longer waits, so that a busy widget cannot block the keyboard."""


class OrderedKeysApp(App[Result]):
    """Keys take effect in the order in which they were pressed, however many arrive at once.

    Textual sends a key to the focused widget and checks the bindings once the key has bubbled up; meanwhile the next
    key may have been sent to a widget that is about to lose the focus. On a slow link, where keys arrive in bursts,
    ``/rock`` could resume a run (r) instead of filtering. Here a key waits until the previous one has been handled.
    """

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
