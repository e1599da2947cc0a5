"""Fields of the New run form: a choice of a few names, and a path with completion."""

import asyncio
import os
from pathlib import Path
from typing import ClassVar

from textual import events
from textual.binding import Binding
from textual.content import Content
from textual.message import Message
from textual.suggester import Suggester
from textual.widget import Widget

from tui.widgets.text_input import TextInput


class OptionSpinner(Widget, can_focus=True):
    """One of a few names on one line: left and right go through them, with a description of the chosen one."""

    BINDINGS: ClassVar = [
        Binding("left", "turn(-1)", "change", key_display="← →"),
        Binding("right,space,enter", "turn(1)", "next", show=False),
    ]

    class Changed(Message):
        def __init__(self, choice: "OptionSpinner", value: str) -> None:
            super().__init__()
            self.choice = choice
            self.value = value

        @property
        def control(self) -> "OptionSpinner":
            return self.choice

    class Described(Message):
        """Description of the chosen name, if focused and too long to fit beside it; otherwise empty."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, choices: dict[str, str], value: str, *, id: str | None = None) -> None:
        """``choices``: name → description in one line."""
        super().__init__(id=id)
        self.choices = choices
        self._value = value

    @property
    def value(self) -> str:
        return self._value

    @value.setter
    def value(self, value: str) -> None:
        """Set the value without posting a message."""
        self._value = value
        self.refresh()

    def offer(self, choices: dict[str, str]) -> None:
        """Offer other choices; the chosen name stays, even if it is not among them."""
        self.choices = choices
        self.refresh()

    def action_turn(self, by: int) -> None:
        names = list(self.choices)
        here = names.index(self._value) if self._value in names else 0
        self.value = names[(here + by) % len(names)]
        self._describe()
        self.post_message(self.Changed(self, self._value))

    def on_click(self, event: events.Click) -> None:
        self.action_turn(1)

    def _line(self) -> Content:
        widest = max(map(len, [*self.choices, self._value]))
        arrows = "$footer-key-foreground" if self.has_focus else "$faint"
        return Content.assemble(
            ("‹ ", arrows),
            (f"{self._value:<{widest}}", "bold" if self.has_focus else ""),
            (" › ", arrows),
            (self.choices.get(self._value, ""), "$text-muted"),
        )

    def render(self) -> Content:
        return self._line().truncate(self.size.width, ellipsis=True)

    def _describe(self) -> None:
        fits = self._line().cell_length <= self.size.width
        self.post_message(self.Described("" if fits else self.choices.get(self._value, "")))

    def on_focus(self) -> None:
        self.refresh()
        self._describe()

    def on_blur(self) -> None:
        self.refresh()
        self.post_message(self.Described(""))


def complete_folder(text: str) -> str | None:
    """``text`` completed to the first matching folder; None without a match and after a slash."""
    parent, slash, beginning = text.rpartition("/")
    if not beginning:
        return None
    folder = Path(parent + slash or ".").expanduser()
    try:
        names = sorted(
            entry.name for entry in os.scandir(folder) if entry.name.startswith(beginning) and entry.is_dir()
        )
    except OSError:
        return None
    return f"{parent}{slash}{names[0]}/" if names else None


class FolderSuggester(Suggester):
    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)

    async def get_suggestion(self, value: str) -> str | None:
        # A slow disk must not block the keys.
        return await asyncio.to_thread(complete_folder, value) if value else None


class PathInput(TextInput):
    """A folder's path, completed from the file system: tab or right accepts the completion."""

    BINDINGS: ClassVar = [Binding("tab", "complete", "complete")]

    def __init__(self, value: str = "", *, placeholder: str = "", id: str | None = None) -> None:
        super().__init__(value, placeholder=placeholder, suggester=FolderSuggester(), compact=True, id=id)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Without a completion, tab moves to the next field."""
        return bool(self._suggestion) if action == "complete" else True

    def action_complete(self) -> None:
        self.action_cursor_right()
