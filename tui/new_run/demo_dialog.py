"""A dialog that creates a small synthetic dataset."""

from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from core.util.errors import UserError
from core.util.files import typed_path
from tui.dialogs.questions import key_hints
from tui.new_run.fields import PathInput


class DemoScreen(ModalScreen[Path | None]):
    """Returns the folder of genres, or None."""

    BINDINGS: ClassVar = [Binding("escape", "dismiss", "cancel")]

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(Content.styled("Create a demo dataset", "bold"))
            yield Static(
                "Ten “genres” of chords, drums and timbres, 120 clips of 10 s (about 50 MB): not music, but enough to "
                "try everything. In which folder?",
                classes="detail",
            )
            yield PathInput("demo")
            yield Static("", classes="error")
            yield key_hints({"enter": "create", "esc": "cancel"})

    @on(Input.Submitted)
    def submitted(self, event: Input.Submitted) -> None:
        event.input.disabled = True
        self.query_one(".error", Static).update(Content.styled("Creating …", "$text-muted"))
        self._make(typed_path(event.value.strip() or "demo"))

    @work(thread=True)
    def _make(self, out: Path) -> None:
        from core.dataset.synthetic import make_demo  # numpy takes half a second to import

        try:
            genres = make_demo(out)
        except UserError as error:
            self.call_later(self._refused, str(error))
        else:
            self.call_later(self._made, genres)

    def _made(self, genres: Path) -> None:
        self.dismiss(genres)

    def _refused(self, reason: str) -> None:
        field = self.query_one(PathInput)
        field.disabled = False
        field.focus()
        self.query_one(".error", Static).update(Content(reason))
