"""What the modes share: the mode bar at the top, the key bar at the bottom, and the size classes."""

from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.content import Content
from textual.dom import DOMNode
from textual.screen import Screen
from textual.widget import Widget

from tui.formatting import fitted, shown
from tui.shell.base import BaseApp
from tui.shell.keymap import own_bindings
from tui.shell.panels import PanelKeys

TITLES = {"runs": "Runs", "watch": "Watch", "classify": "Classify", "listen": "Listen", "label": "Label"}


class ModeBar(Widget):
    app: BaseApp
    can_focus = False

    def __init__(self, mode: str) -> None:
        super().__init__()
        self.mode = mode
        self._ends: list[tuple[int, str]] = []

    def render(self) -> Content:
        self._ends = []
        bar = Content("")
        for mode, title in TITLES.items():
            key = self.app.key_for(f"mode.{mode}")
            # Brackets, not colour alone, mark the current mode.
            before, after, style = ("[", "]", "bold") if mode == self.mode else (" ", " ", "$text-muted")
            bar += Content.assemble(before, (key, "bold $footer-key-foreground"), (f" {title}", style), after, " ")
            self._ends.append((bar.cell_length, mode))
        room = self.size.width - bar.cell_length - 2
        if room < 12:
            return bar
        return bar + Content.styled(f"{fitted(shown(self.app.runs_dir, room), room, right=True)} ", "$text-muted")

    async def on_click(self, event: events.Click) -> None:
        for end, mode in self._ends:
            if event.x < end:
                await self.app.run_action(f"app.show_mode({mode!r})")
                return


LAST = ("app.help", "app.leave")
"""Binding ids that come last and are never dropped."""

Entry = tuple[str, str, str]
"""Displayed key, description, action."""


def fitting(entries: list[Entry], last: list[Entry], width: int) -> list[Entry]:
    """The entries that fit into ``width`` cells, in order, and always those of ``last``."""
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
    """The enabled bindings to show, in the order of definition; Textual puts a remapped one at the end."""
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
        """The enabled bindings to show, one per action, as many as fit; help is "more" where there are others."""
        entries: dict[str, Entry] = {}
        last: dict[str, Entry] = {}
        for binding in in_order(self.screen):
            entry = (self.app.get_key_display(binding), binding.description, binding.action)
            if binding.id in LAST:
                last[binding.id] = entry
            else:
                entries.setdefault(binding.action, entry)
        shown = fitting(list(entries.values()), list(last.values()), self.size.width)
        if "app.help" in last and (len(shown) < len(entries) + len(last) or self._has_hidden_keys()):
            key, _, action = last["app.help"]
            last["app.help"] = key, "more", action
        return [*shown[: len(shown) - len(last)], *(last[name] for name in LAST if name in last)]

    def _has_hidden_keys(self) -> bool:
        """Whether the screen or the focused panel has keys that this line never shows."""
        return any(
            node is not self.app and not binding.show and binding.id
            for node, binding, _, _ in self.screen.active_bindings.values()
        )

    def render(self) -> Content:
        self._shown = self.entries()
        parts = []
        for key, description, _ in self._shown:
            parts += [(f" {key}", "bold $footer-key-foreground"), (f" {description} ", "$text-muted")]
        return Content.assemble(*parts)

    async def on_click(self, event: events.Click) -> None:
        """A click on an entry acts like its key."""
        end = 0
        for entry in self._shown:
            end += cells(entry)
            if event.x < end:
                bindings = self.screen.active_bindings.values()
                owner = next((node for node, binding, _, _ in bindings if binding.action == entry[2]), self.screen)
                await self.app.run_action(entry[2], owner)
                return


SIZES = ("-narrow", "-normal", "-wide", "-tiny", "-short", "-tall")


class ModeScreen(PanelKeys):
    """A screen with mode bar and key bar. A subclass yields its widgets in ``compose_body`` and sets ``MODE``."""

    MODE: ClassVar[str]
    HELP: ClassVar[str] = ""
    """The purpose of the screen in a sentence or two, shown above its keys in help."""

    app: BaseApp

    def compose(self) -> ComposeResult:
        self.set_size_classes()  # before there is anything else to restyle
        yield ModeBar(self.MODE)
        yield from self.compose_body()
        yield KeyBar()

    def compose_body(self) -> ComposeResult:
        yield from ()

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        self.set_size_classes()

    def on_resize(self) -> None:
        self.set_size_classes()

    def set_size_classes(self) -> None:
        """``-narrow``, ``-normal`` or ``-wide``, and ``-tiny``, ``-short`` or ``-tall``: see ``tui.app``."""
        classes = {f"-{self.app.width_class}", f"-{self.app.height_class}"}
        if not classes <= self.classes:
            self.remove_class(*SIZES, update=False)
            self.add_class(*classes)
