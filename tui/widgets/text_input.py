"""Text fields whose cursor does not blink: an idle app sends nothing to the terminal."""

from typing import ClassVar

from textual.binding import Binding
from textual.widgets import Input


class TextInput(Input):
    def on_mount(self) -> None:
        self.cursor_blink = False


class FilterInput(TextInput):
    """Enter and down move to the list, escape clears the filter; the screen handles both."""

    BINDINGS: ClassVar = [
        Binding("enter,down", "submit", "to the list"),
        Binding("escape", "screen.back", "clear filter"),
    ]
