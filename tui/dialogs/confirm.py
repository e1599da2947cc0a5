"""A question before something that cannot be taken back at a key."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static


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
