"""Help: the purpose of a screen and all its keys, generated from the bindings."""

import textwrap
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.dom import DOMNode
from textual.screen import Screen

from tui.shell.base import BaseApp
from tui.shell.panels import Dialog, frame
from tui.widgets.row_list import LinesView
from tui.widgets.text import FilterInput

TEXTUALS_OWN = {"app.focus_next", "app.focus_previous", "screen.copy_text", "quit"}
"""Textual's own actions, which every screen has."""

LISTS = "In every list"
LINE = 67
"""Cells of a line in the box."""

Entry = tuple[str, str, bool]
"""Keys, description, and whether it is available now."""


def key_groups(screen: Screen[object]) -> dict[str, list[Entry]]:
    """Title → keys: the screen's own first, then those of its panels, then those of every screen.

    Keys of the same action are joined. The keys of a panel without the focus are listed too.
    """
    app: BaseApp = screen.app  # type: ignore[assignment]
    groups: dict[str, dict[str, tuple[list[str], str, bool]]] = {}

    def add(title: str, binding: Binding, enabled: bool) -> None:
        text = binding.tooltip or binding.description
        text = text[:1].upper() + text[1:]
        keys, _, _ = groups.setdefault(title, {}).setdefault(binding.action, ([], text, enabled))
        if (key := app.get_key_display(binding)) not in keys:
            keys.append(key)

    for node, binding, enabled, _ in screen.active_bindings.values():
        if not (binding.system or not binding.description or binding.action in TEXTUALS_OWN):
            add(_group(node, binding, screen), binding, enabled)
    for panel in screen.query("*"):
        if panel.focusable and panel is not screen.focused:
            for keys in panel._bindings.key_to_bindings.values():
                for binding in keys:
                    if binding.id and binding.description:
                        add(_group(panel, binding, screen), binding, True)
    order = sorted(groups, key=lambda title: (title == "Everywhere", title == LISTS, title != "This screen"))
    return {title: [(" ".join(keys), text, now) for keys, text, now in groups[title].values()] for title in order}


def _group(node: DOMNode, binding: Binding, screen: Screen[object]) -> str:
    """The title under which a binding is listed: its group's, or else its panel's."""
    if binding.group is not None:
        return binding.group.description
    if node is screen.app:
        return "Everywhere"
    if node is screen:
        return "This screen"
    if (binding.id or "").startswith("list."):
        return LISTS
    name = type(node).__name__
    words = "".join(f" {c.lower()}" if c.isupper() and i else c for i, c in enumerate(name))
    return getattr(node, "BINDING_GROUP_TITLE", None) or words


class KeyLines(LinesView):
    def _mark(self, index: int) -> Content:
        return Content("  ")  # nothing else can have the focus


class HelpScreen(Dialog[None]):
    """Shown over the screen that it describes."""

    BINDINGS: ClassVar = [
        Binding("escape,q,question_mark", "dismiss", "close"),
        Binding("slash", "filter", "filter"),
    ]

    def __init__(self, about: Screen[object]) -> None:
        super().__init__()
        self.about = about

    def compose(self) -> ComposeResult:
        lines = self._lines()
        with Vertical(id="help") as box:
            frame(box, "Help", [("/", "filter"), ("esc", "close")])
            box.styles.height = len(lines) + box.styles.gutter.height
            field = FilterInput(compact=True, placeholder="part of a key or of what it does")
            field.display = field.can_focus = False  # or it would take a key that follows at once
            yield field
            view = KeyLines()
            view.show(lines)
            yield view

    def _show_filter(self, shown: bool) -> None:
        field = self.query_one(FilterInput)
        field.display = field.can_focus = shown
        self.query_one(FilterInput if shown else KeyLines).focus()

    def action_filter(self) -> None:
        self._show_filter(True)

    def action_back(self) -> None:
        """Show all keys again."""
        self.query_one(FilterInput).value = ""
        self._show_filter(False)

    @on(FilterInput.Changed)
    def filter_as_typed(self, event: FilterInput.Changed) -> None:
        view = self.query_one(KeyLines)
        view.begin()
        view.show(self._lines(event.value.casefold()))

    @on(KeyLines.Resized)
    def fill(self, event: KeyLines.Resized) -> None:
        event.view.rows_changed()

    @on(FilterInput.Submitted)
    def leave_filter(self) -> None:
        self.query_one(KeyLines).focus()

    def _lines(self, wanted: str = "") -> list[Content]:
        """The keys whose names or descriptions contain ``wanted``; all of them, after the purpose, without it."""
        groups = {
            title: found
            for title, entries in key_groups(self.about).items()
            if (found := [entry for entry in entries if wanted in f"{entry[0]} {entry[1]}".casefold()])
        }
        if not groups:
            return [Content.styled("No key matches.", "$text-muted")]
        width = max((len(keys) for entries in groups.values() for keys, _, _ in entries), default=0)
        lines: list[Content] = []
        if (purpose := getattr(self.about, "HELP", "")) and not wanted:
            lines += [Content(line) for line in textwrap.wrap(purpose, LINE)]
        for title, entries in groups.items():
            lines += [Content("")] * bool(lines) + [Content.styled(title, "bold")]
            for keys, text, now in entries:
                first, *rest = textwrap.wrap(text if now else f"{text} (not now)", max(20, LINE - width - 4))
                style = "$footer-key-foreground" if now else "$text-muted"
                what = "" if now else "$text-muted"
                lines.append(Content.assemble((f"  {keys:<{width}}  ", style), (first, what)))
                lines += [Content.styled(" " * (width + 4) + line, what) for line in rest]
        return lines
