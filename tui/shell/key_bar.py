"""The bottom line: the keys that work now, whole entries only; help and leaving always fit."""

from textual import events
from textual.binding import Binding
from textual.content import Content
from textual.dom import DOMNode
from textual.screen import Screen
from textual.widget import Widget

from tui.shell.base import BaseApp
from tui.shell.keymap import own_bindings

LAST = ("app.help", "app.leave")
"""Binding ids that stand at the end and are never left out."""

Entry = tuple[str, str, str]
"""The key as shown, what it does, the action."""


def fitting(entries: list[Entry], last: list[Entry], width: int) -> list[Entry]:
    """The entries that fit into ``width`` cells, in order; those of ``last`` always."""
    room = width - sum(cells(entry) for entry in last)
    kept = []
    for entry in entries:
        if cells(entry) <= room:
            room -= cells(entry)
            kept.append(entry)
    return [*kept, *last]


def cells(entry: Entry) -> int:
    key, description, _ = entry
    return len(key) + len(description) + 3


def in_order(screen: Screen[object]) -> list[Binding]:
    """The enabled bindings to be shown as their owners list them: the key map puts a changed one at the end."""
    owners: dict[DOMNode, list[Binding]] = {}
    for node, binding, enabled, _ in screen.active_bindings.values():
        if binding.show and enabled:
            owners.setdefault(node, []).append(binding)
    ordered = []
    for node, bindings in owners.items():
        places = {binding.id: place for place, binding in enumerate(own_bindings(type(node)))}
        ordered += sorted(bindings, key=lambda binding: places.get(binding.id, -1))
    return ordered


class KeyBar(Widget):
    app: BaseApp
    can_focus = False

    def __init__(self) -> None:
        super().__init__()
        self._shown: list[Entry] = []

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._bindings_changed)

    def _bindings_changed(self, screen: Screen[object]) -> None:
        if screen is self.screen and self.entries() != self._shown:
            self.refresh()

    def entries(self) -> list[Entry]:
        """Every enabled binding that asks to be shown, once an action, as far as the line has room."""
        entries: dict[str, Entry] = {}
        last: dict[str, Entry] = {}
        for binding in in_order(self.screen):
            entry = (self.app.get_key_display(binding), binding.description, binding.action)
            if binding.id in LAST:
                last[binding.id] = entry
            else:
                entries.setdefault(binding.action, entry)
        return fitting(list(entries.values()), [last[name] for name in LAST if name in last], self.size.width)

    def render(self) -> Content:
        self._shown = self.entries()
        parts = []
        for key, description, _ in self._shown:
            parts += [(f" {key}", "bold $footer-key-foreground"), (f" {description} ", "$text-muted")]
        return Content.assemble(*parts)

    async def on_click(self, event: events.Click) -> None:
        """A click on an entry does what its key does."""
        end = 0
        for entry in self._shown:
            end += cells(entry)
            if event.x < end:
                await self.app.run_action(entry[2], self.screen.focused or self.screen)
                return
