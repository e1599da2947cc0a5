"""A question before something that cannot be taken back at a key."""

from collections.abc import Callable
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from core.util.errors import UserError
from tui.widgets.text_input import TextInput


class ConfirmScreen(ModalScreen[bool]):
    """Answers True only to ``y``, or to enter where that is harmless."""

    BINDINGS: ClassVar = [
        Binding("y", "answer(True)", "yes"),
        Binding("n,escape,q", "answer(False)", "no"),
    ]

    def __init__(self, question: str, detail: str = "", *, yes: str = "yes") -> None:
        """
        Args:
            question: one line that names what would be done, and to what.
            detail: what it means, and what it leaves alone.
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
            yield Static(
                Content.assemble(
                    ("y", "bold $footer-key-foreground"),
                    f" {self.yes}    ",
                    ("n", "bold $footer-key-foreground"),
                    " leave it",
                ),
                classes="keys",
            )

    def action_answer(self, yes: bool) -> None:
        self.dismiss(yes)


def stop_question(run: str) -> ConfirmScreen:
    """The same from every screen."""
    detail = "It ends at its next batch, keeps the best model, tests it and writes the report. r goes on from there."
    return ConfirmScreen(f"Stop {run}?", detail, yes="stop")


class PromptScreen(ModalScreen[str | None]):
    """Answers with the text, or None."""

    BINDINGS: ClassVar = [Binding("escape", "cancel", "cancel")]

    def __init__(self, question: str, value: str = "", *, check: Callable[[str], object] | None = None) -> None:
        """
        Args:
            question: one line.
            value: what stands there to begin with.
            check: raises UserError for a text that will not do; its sentence is shown, and one may go on typing.
        """
        super().__init__()
        self.question = question
        self.value = value
        self.check = check

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(Content.styled(self.question, "bold"))
            yield TextInput(self.value, compact=True)
            yield Static("", classes="error")
            yield Static(
                Content.assemble(
                    ("enter", "bold $footer-key-foreground"),
                    " do it    ",
                    ("esc", "bold $footer-key-foreground"),
                    " leave it",
                ),
                classes="keys",
            )

    @on(Input.Submitted)
    def submit(self, event: Input.Submitted) -> None:
        try:
            if self.check is not None:
                self.check(event.value)
        except UserError as error:
            self.query_one(".error", Static).update(Content(str(error)))
        else:
            self.dismiss(event.value)

    def action_cancel(self) -> None:
        self.dismiss(None)
