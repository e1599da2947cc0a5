"""A line of text to edit, with a cursor that does not blink: at rest nothing goes to the terminal."""

from typing import ClassVar

from textual.binding import Binding
from textual.widgets import Input


class TextInput(Input):
    def on_mount(self) -> None:
        self.cursor_blink = False


class FilterInput(TextInput):
    """Enter and down lead into the list, escape takes the filter away: both are messages for the screen."""

    BINDINGS: ClassVar = [
        Binding("enter,down", "submit", "to the list"),
        Binding("escape", "screen.back", "no filter"),
    ]
