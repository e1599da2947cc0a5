"""Editors of forms: a choice of a few names, and a text with completion."""

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from textual import events
from textual.binding import Binding
from textual.content import Content
from textual.message import Message
from textual.suggester import Suggester
from textual.widget import Widget

from core.models.encoders.registry import encoder_names
from core.training.fields import NONE
from core.util.files import typed_path
from tui.formatting import padded, widest
from tui.widgets.text import TextInput, clipped

BACK = "‹ "
Complete = Callable[[str], "Completion"]


class OptionSpinner(Widget, can_focus=True):
    """One of a few names on one line: left and right go through them, with a description of the chosen one."""

    DEFAULT_CSS = """
    OptionSpinner { height: 1; width: 1fr; }
    """
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
        self.post_message(self.Changed(self, self._value))

    def on_click(self, event: events.Click) -> None:
        """The left arrow goes back."""
        self.action_turn(-1 if event.x < len(BACK) else 1)

    def _line(self) -> Content:
        names = [*self.choices, self._value]
        arrows = "$footer-key-foreground" if self.has_focus else "$faint"
        return Content.assemble(
            (BACK, arrows),
            (padded(self._value, widest(names)), "bold" if self.has_focus else ""),
            (" › ", arrows),
            (self.choices.get(self._value, ""), "$text-muted"),
        )

    def render(self) -> Content:
        return clipped(self._line(), self.size.width)

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()


@dataclass(frozen=True)
class Completion:
    text: str
    """What was typed, as far as all candidates agree."""
    candidates: tuple[str, ...] = ()


def _common_beginning(names: Sequence[str]) -> str:
    """The letters that all names begin with."""
    first, last = min(names), max(names)
    agree = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return first[:agree]


def complete_path(text: str, *, files: bool = False) -> Completion:
    """Complete a path by what is on disk. Folders end in a slash; hidden names need their dot typed.

    Args:
        files: whether files are candidates too.
    """
    parent, slash, beginning = text.rpartition("/")
    try:
        names = sorted(
            entry.name + ("/" if entry.is_dir() else "")
            for entry in os.scandir(typed_path(parent + slash))
            if entry.name.startswith(beginning)
            and (beginning or not entry.name.startswith("."))
            and (files or entry.is_dir())
        )
    except (OSError, ValueError):  # ValueError: a NUL
        return Completion(text)
    return Completion(f"{parent}{slash}{_common_beginning(names)}" if names else text, tuple(names))


def complete_name(text: str, names: Sequence[str]) -> Completion:
    """Complete one of a few names; without any text all of them are candidates."""
    found = tuple(name for name in names if name.startswith(text))
    return Completion(_common_beginning(found) if text and found else text, found)


def complete_encoder(text: str) -> Completion:
    """Complete an encoder: one of the declared ones, an installed repository of the hub, or a folder."""
    if text.startswith(("/", "~", ".")):
        return complete_path(text)
    return complete_name(text, [NONE, *encoder_names()])


class CompletionSuggester(Suggester):
    def __init__(self, complete: Complete) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self.complete = complete

    async def get_suggestion(self, value: str) -> str | None:
        # A slow disk must not block the keys.
        found = await asyncio.to_thread(self.complete, value) if value else None
        return found.text if found is not None and len(found.text) > len(value) else None


class CompletingInput(TextInput):
    """A field whose text is completed: tab completes as far as the candidates agree, and lists them."""

    BINDINGS: ClassVar = [Binding("tab", "complete", "complete", show=False)]

    class Candidates(Message):
        """The possible completions; empty if the text is complete."""

        def __init__(self, field: "CompletingInput", names: Sequence[str]) -> None:
            super().__init__()
            self.field = field
            self.names = names

    def __init__(self, value: str, complete: Complete, *, placeholder: str = "", id: str | None = None) -> None:
        super().__init__(value, placeholder=placeholder, suggester=CompletionSuggester(complete), compact=True, id=id)
        self._complete = complete
        self._listed = ""
        """The text whose candidates are listed; tab then leaves the field."""

    def offer(self, complete: Complete) -> None:
        """Complete by something else from now on."""
        self._complete = complete
        self.suggester = CompletionSuggester(complete)

    async def action_complete(self) -> None:
        found = await asyncio.to_thread(self._complete, self.value)
        if found.text != self.value:
            self.value = found.text
            self.cursor_position = len(found.text)
        elif len(found.candidates) > 1 and self._listed != self.value and self.value:
            self._listed = self.value
            self.post_message(self.Candidates(self, found.candidates))
            return
        else:
            self.screen.focus_next()
        self.post_message(self.Candidates(self, found.candidates if len(found.candidates) > 1 else ()))

    def on_blur(self) -> None:
        self._listed = ""


class PathInput(CompletingInput):
    """The path of a folder, or of a file where ``files``."""

    def __init__(self, value: str = "", *, files: bool = False, placeholder: str = "", id: str | None = None) -> None:
        super().__init__(value, partial(complete_path, files=files), placeholder=placeholder, id=id)
