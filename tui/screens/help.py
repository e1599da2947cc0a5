"""Help: what the screen is for and every key that works on it, made from the bindings themselves."""

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

if TYPE_CHECKING:
    from tui.app import GenreApp

NOT_OURS = {"app.focus_next", "app.focus_previous", "screen.copy_text"}
"""Textual's own actions that every screen has; said once, in one line."""


def key_groups(screen: Screen[object]) -> dict[str, list[tuple[str, str]]]:
    """Title → (keys, what they do), the screen's own first. Keys of one action stand together."""
    app: GenreApp = screen.app  # type: ignore[assignment]
    groups: dict[str, dict[str, tuple[list[str], str]]] = {}
    for node, binding, enabled, _ in screen.active_bindings.values():
        if not enabled or binding.system or not binding.description or binding.action in NOT_OURS:
            continue
        title = "Everywhere" if node is app else "This screen" if node is screen else _title(type(node))
        keys, _ = groups.setdefault(title, {}).setdefault(binding.action, ([], binding.tooltip or binding.description))
        keys.append(app.get_key_display(binding))
    order = sorted(groups, key=lambda title: (title == "Everywhere", title != "This screen"))
    return {title: [(" ".join(keys), text) for keys, text in groups[title].values()] for title in order}


def _title(widget: type[object]) -> str:
    name = widget.__name__
    return "".join(f" {c.lower()}" if c.isupper() and i else c for i, c in enumerate(name))


class HelpScreen(ModalScreen[None]):
    """Over the screen that it is about."""

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
        width = max((len(keys) for entries in groups.values() for keys, _ in entries), default=0)
        parts: list[Content | tuple[str, str]] = []
        if purpose := getattr(self.about, "HELP", ""):
            parts.append(Content(f"{purpose}\n"))
        for title, entries in groups.items():
            parts.append((f"\n{title}\n", "bold"))
            for keys, text in entries:
                parts += [(f"  {keys:<{width}}  ", "$footer-key-foreground"), Content(f"{text}\n")]
        return Content.assemble(*parts)
