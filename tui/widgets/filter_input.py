"""The line that a list is filtered by as one types."""

from typing import ClassVar

from textual.binding import Binding

from tui.widgets.text_input import TextInput


class FilterInput(TextInput):
    """Enter and down lead into the list, escape takes the filter away: both are messages for the screen."""

    BINDINGS: ClassVar = [
        Binding("enter,down", "submit", "to the list"),
        Binding("escape", "screen.back", "no filter"),
    ]
