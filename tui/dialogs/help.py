"""Help: the purpose of a screen and all its keys, generated from the bindings."""

import textwrap
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.content import Content
from textual.dom import DOMNode
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

from tui.shell.base import BaseApp

TEXTUALS_OWN = {"app.focus_next", "app.focus_previous", "screen.copy_text", "quit"}
"""Textual's own actions, which every screen has."""

LINE = 68
"""Cells of a line in the box at 80 columns."""

Entry = tuple[str, str, bool]
"""Keys, description, and whether it is available now."""


def key_groups(screen: Screen[object]) -> dict[str, list[Entry]]:
    """Title → keys, the screen's own first; keys of the same action are joined."""
    app: BaseApp = screen.app  # type: ignore[assignment]
    groups: dict[str, dict[str, tuple[list[str], str, bool]]] = {}
    for node, binding, enabled, _ in screen.active_bindings.values():
        if binding.system or not binding.description or binding.action in TEXTUALS_OWN:
            continue
        title = "Everywhere" if node is app else "This screen" if node is screen else _title(node)
        entry = groups.setdefault(title, {}).setdefault(
            binding.action, ([], binding.tooltip or binding.description, enabled)
        )
        entry[0].append(app.get_key_display(binding))
    order = sorted(groups, key=lambda title: (title == "Everywhere", title != "This screen"))
    return {title: [(" ".join(keys), text, now) for keys, text, now in groups[title].values()] for title in order}


def _title(node: DOMNode) -> str:
    """The title of a widget's keys: its own, or its class name in words."""
    name = type(node).__name__
    words = "".join(f" {c.lower()}" if c.isupper() and i else c for i, c in enumerate(name))
    return getattr(node, "BINDING_GROUP_TITLE", None) or words


class HelpScreen(ModalScreen[None]):
    """Shown over the screen that it describes."""

    BINDINGS: ClassVar = [Binding("escape,q,question_mark", "dismiss", "close")]

    def __init__(self, about: Screen[object]) -> None:
        super().__init__()
        self.about = about

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="help") as box:
            box.border_title = "Help"
            box.border_subtitle = "esc closes"
            yield Static(self._text())

    def _text(self) -> Content:
        groups = key_groups(self.about)
        width = max((len(keys) for entries in groups.values() for keys, _, _ in entries), default=0)
        parts: list[Content | tuple[str, str]] = []
        if purpose := getattr(self.about, "HELP", ""):
            parts.append(Content(f"{purpose}\n"))
        for title, entries in groups.items():
            parts.append((f"\n{title}\n", "bold"))
            for keys, text, now in entries:
                parts.append((f"  {keys:<{width}}  ", "$footer-key-foreground" if now else "$text-muted"))
                below = " " * (width + 4)
                lines = textwrap.wrap(text if now else f"{text} (not now)", max(20, LINE - len(below)))
                entry_text = f"\n{below}".join(lines) + "\n"
                parts.append(Content(entry_text) if now else (entry_text, "$text-muted"))
        return Content.assemble(*parts)
