"""One value asked for in a line of text: a new name, a number of epochs."""

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
