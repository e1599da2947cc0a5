"""A line of text to edit, with a cursor that does not blink: at rest nothing goes to the terminal."""

from textual.widgets import Input


class TextInput(Input):
    def on_mount(self) -> None:
        self.cursor_blink = False
