"""Dialogs that ask one question: yes or no, or a line of text."""

from collections.abc import Callable, Mapping
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Static

from core.util.errors import UserError
from core.util.text import printable
from tui.shell.panels import Dialog
from tui.widgets.fields import CompletingInput, PathInput
from tui.widgets.text import TextInput


def key_hints(keys: Mapping[str, str]) -> Static:
    """The last line of a dialog: its keys and what they do."""
    parts = [((key, "bold $footer-key-foreground"), f" {action}   ") for key, action in keys.items()]
    return Static(Content.assemble(*(part for pair in parts for part in pair)).rstrip(), classes="keys")


class ConfirmScreen(Dialog[bool]):
    """Asks before an action that cannot be undone; returns True only after ``y``."""

    BINDINGS: ClassVar = [
        Binding("y", "answer(True)", "yes"),
        Binding("n,escape,q", "answer(False)", "no"),
    ]

    def __init__(self, question: str, detail: str = "", *, yes: str = "yes") -> None:
        """
        Args:
            question: one line that names the action and its object.
            detail: what the action does and what it keeps.
            yes: what the key y does, in a word or two.
        """
        super().__init__()
        self.question = question
        self.detail = detail
        self.yes = yes

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(Content.styled(self.question, "bold"))
            if self.detail:
                yield Static(Content(self.detail), classes="detail")
            yield key_hints({"y": self.yes, "n": "cancel"})

    def action_answer(self, yes: bool) -> None:
        self.dismiss(yes)


def stop_question(run: str) -> ConfirmScreen:
    """The question before stopping a run, the same on every screen."""
    detail = "Training ends at the next batch; the best model is kept and tested, and the report written. r resumes it."
    return ConfirmScreen(f"Stop {run}?", detail, yes="stop")


class PromptScreen(Dialog[str | None]):
    """Asks for a line of text; returns it, or None."""

    KEYS: ClassVar[dict[str, str]] = {}
    """Further keys of the field."""
    BINDINGS: ClassVar = [Binding("escape", "dismiss", "cancel")]

    def __init__(self, question: str, value: str = "", *, check: Callable[[str], object] | None = None) -> None:
        """
        Args:
            question: one line.
            value: initial text.
            check: raises UserError for an invalid text; its message is shown and the dialog stays open.
        """
        super().__init__()
        self.question = question
        self.value = value
        self.check = check

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(Content.styled(self.question, "bold"))
            yield self.field()
            yield Static("", classes="error")
            yield key_hints({"enter": "OK", **self.KEYS, "esc": "cancel"})

    def field(self) -> TextInput:
        return TextInput(self.value, compact=True)

    @on(Input.Submitted)
    def submit(self, event: Input.Submitted) -> None:
        try:
            if self.check is not None:
                self.check(event.value)
        except UserError as error:
            self.query_one(".error", Static).update(Content(str(error)))
        else:
            self.dismiss(event.value)


class PathPrompt(PromptScreen):
    """Asks for the path of a folder or file, which tab completes."""

    KEYS: ClassVar = {"tab": "complete"}

    def field(self) -> TextInput:
        return PathInput(self.value, files=True)

    @on(CompletingInput.Candidates)
    def list_candidates(self, event: CompletingInput.Candidates) -> None:
        self.query_one(".error", Static).update(Content("  ".join(map(printable, event.names))))
