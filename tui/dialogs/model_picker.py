"""A dialog to choose a model: the best model of each run, or the bundled one."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from core.inference.find_model import ModelChoice, list_models
from tui.dialogs.questions import key_hints
from tui.shell.base import BaseApp
from tui.widgets.row_list import RowList


class ModelList(RowList):
    has_cursor = True

    def __init__(self, choices: Sequence[ModelChoice], current: Path | None) -> None:
        super().__init__()
        self.choices = choices
        self.current = current
        self.cursor = next((i for i, choice in enumerate(choices) if choice.path == current), 0)

    def on_mount(self) -> None:
        self.styles.height = min(len(self.choices), 12)
        self.rows_changed()

    def follows(self) -> bool:
        return False

    def row_count(self) -> int:
        return len(self.choices)

    def row(self, index: int, width: int) -> Content:
        choice = self.choices[index]
        mark = "● " if choice.path == self.current else "  "
        return Content.assemble((mark, "$val"), choice.name).truncate(width, ellipsis=True)


class ModelPicker(ModalScreen[ModelChoice | None]):
    """Returns the model, or None."""

    BINDINGS: ClassVar = [Binding("escape", "cancel", "cancel")]

    def __init__(self, choices: Sequence[ModelChoice], current: Path | None) -> None:
        super().__init__()
        self.choices, self.current = choices, current

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(Content.styled("Choose a model", "bold"))
            yield ModelList(self.choices, self.current)
            yield key_hints({"enter": "choose", "esc": "cancel"})

    @on(RowList.Chosen)
    def chosen(self, event: RowList.Chosen) -> None:
        self.dismiss(self.choices[event.index])

    def action_cancel(self) -> None:
        self.dismiss(None)


async def pick_model(app: BaseApp, current: Path | None) -> Path | None:
    """Ask for a model file; None if cancelled or if there is no model. Call from a worker only."""
    choices = list_models(app.runs_dir)
    if not choices:
        app.notify("There is no model yet: start a run on the Runs screen (1, then n).", severity="warning")
        return None
    choice: ModelChoice | None = await app.push_screen_wait(ModelPicker(choices, current))
    return None if choice is None else choice.path
