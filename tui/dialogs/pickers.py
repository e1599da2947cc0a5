"""Dialogs to choose a model (the bundled one, or the best model of a run) or a folder, with what it holds."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from core.audio.files.formats import is_audio
from core.dataset.pack_manifest import is_pack
from core.inference.find_model import DEFAULT, ModelChoice, choose_model, list_models
from core.util.errors import UserError
from core.util.files import typed_path
from core.util.text import counted, printable
from tui.dialogs.questions import PathPrompt, key_hints
from tui.formatting import model_details, model_table
from tui.shell.base import BaseApp
from tui.shell.panels import Dialog
from tui.widgets.file_tree import AudioTree, Node
from tui.widgets.row_list import RowList
from tui.widgets.text import clipped

MOST_ROWS = 12


class ModelList(RowList):
    """The headings stay above the rows, in a widget of the dialog's own."""

    has_cursor = True

    def __init__(self, choices: Sequence[ModelChoice], current: Path | None) -> None:
        super().__init__(id="models")
        self.choices = choices
        self.current = current
        self.cursor = next((i for i, choice in enumerate(choices) if choice.path == current), 0)
        self.headings, *self.lines = model_table(choices)

    def on_mount(self) -> None:
        self.styles.height = min(len(self.choices), MOST_ROWS)
        self.rows_changed()

    def on_resize(self) -> None:
        self.headings, *self.lines = model_table(self.choices, self.row_width - 2)
        self.screen.query_one("#headings", Static).update(Content.styled(f"    {self.headings}", "$text-muted"))
        super().on_resize()

    def _clamp(self) -> None:
        super()._clamp()
        choice = self.choices[self.cursor]
        details = Content.assemble((printable(choice.name), "bold"), " · ", model_details(choice))
        self.screen.query_one("#details", Static).update(details)

    def row_count(self) -> int:
        return len(self.choices)

    def row(self, index: int, width: int) -> Content:
        choice = self.choices[index]
        mark = "● " if choice.path == self.current else "  "
        line = self.lines[index]
        if not choice.caveats:
            return clipped(Content.assemble((mark, "$accent"), line), width)
        sound, _, caveats = line.partition("! ")
        return clipped(Content.assemble((mark, "$accent"), sound, (f"! {caveats}", "$warn")), width)


class ModelPicker(Dialog[tuple[ModelChoice, bool] | None]):
    """Returns the model and whether it is to be used from now on, or None."""

    BINDINGS: ClassVar = [
        Binding("U", "use", "use from now on"),
        Binding("escape", "dismiss", "cancel"),
    ]

    def __init__(
        self,
        choices: Sequence[ModelChoice],
        current: Path | None,
        *,
        title: str = "Choose a model",
        for_now_only: bool = False,
    ) -> None:
        """
        Args:
            for_now_only: do not offer to use it from now on.
        """
        super().__init__()
        self.choices, self.current = choices, current
        self._title, self._for_now_only = title, for_now_only

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(Content.styled(self._title, "bold"))
            yield Static("", id="headings")
            yield ModelList(self.choices, self.current)
            yield Static("", id="details", classes="detail")
            lasting = {} if self._for_now_only else {"U": "use from now on"}
            yield key_hints({"enter": "use now", **lasting, "esc": "cancel"})

    @on(RowList.Chosen)
    def chosen(self, event: RowList.Chosen) -> None:
        self.dismiss((self.choices[event.index], False))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool:
        return action != "use" or not self._for_now_only

    def action_use(self) -> None:
        self.dismiss((self.choices[self.query_one(ModelList).cursor], True))


async def pick_model(app: BaseApp, current: Path | None) -> Path | None:
    """Ask for a model file; None if cancelled or if there is no model. Call from a worker only."""
    choices = await asyncio.to_thread(list_models, app.runs_dir)
    if not choices:
        app.notify("There is no model yet: start a run on the Runs screen (1, then n).", severity="warning")
        return None
    picked: tuple[ModelChoice, bool] | None = await app.push_screen_wait(ModelPicker(choices, current))
    if picked is None:
        return None
    choice, from_now_on = picked
    if from_now_on:
        try:
            choose_model(DEFAULT if choice.name == DEFAULT else str(choice.path), app.runs_dir)
        except UserError as error:
            app.notify(str(error), severity="error")
        else:
            app.notify(f"{choice.name} classifies from now on, for the runs in {app.runs_dir}")
    return choice.path


MAX_GENRES = 200
"""Subfolders inspected at most."""
KEYS = {"enter": "choose", "→ ←": "open, close", "backspace": "parent", ":": "type a path", "esc": "cancel"}


def describe(folder: Path) -> str:
    """The content of a folder as a dataset, by names only."""
    if is_pack(folder):
        return "a feature pack"
    folder = folder / "genres" if (folder / "genres").is_dir() else folder
    genres = files = 0
    try:
        inner = [Path(entry.path) for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith(".")]
        alone = sum(is_audio(Path(entry.name)) for entry in os.scandir(folder))
        for genre in inner[:MAX_GENRES]:
            audio = sum(is_audio(Path(entry.name)) for entry in os.scandir(genre))
            genres, files = genres + bool(audio), files + audio
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if genres < 2 and not alone:
        return "not a dataset: it needs one subfolder of audio files per genre"
    if genres < 2:
        return f"{counted(alone + files, 'audio file')}, not in one subfolder per genre"
    return f"{counted(genres, 'genre')}, {counted(files, 'audio file')}"


class FolderTree(AudioTree):
    """Folders only; enter chooses one, left and right close and open them."""

    class Moved(Message):
        """The cursor is on another folder."""

    def action_choose(self) -> None:
        if self.current is not None:
            self.post_message(self.Chosen(self, self.cursor))

    def _inside(self, node: Node) -> list[Node]:
        return [child for child in super()._inside(node) if child.is_folder]

    def _move_cursor(self, to: int) -> None:
        super()._move_cursor(to)
        self.post_message(self.Moved())


class FolderPicker(Dialog[Path | None]):
    """Returns the folder, or None."""

    BINDINGS: ClassVar = [Binding("colon", "type", "type a path"), Binding("escape", "dismiss", "cancel")]

    def __init__(self, start: Path, question: str = "Choose the folder that contains one subfolder per genre") -> None:
        """``start``: the folder under the cursor at first, among its neighbours."""
        super().__init__()
        self.start, self.question = start.absolute(), question

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="picker"):
            yield Static(Content.styled(self.question, "bold"))
            yield FolderTree(self.start.parent)
            yield Static("", classes="detail")
            yield key_hints(KEYS)

    def on_mount(self) -> None:
        tree = self.query_one(FolderTree)
        tree.focus()
        tree.reveal(self.start)
        tree.action_unfold()
        self.describe_current()

    @on(FolderTree.Moved)
    def describe_current(self) -> None:
        node = self.query_one(FolderTree).current
        if node is not None:
            self._describe(node.path)

    @work(thread=True, exclusive=True)
    def _describe(self, folder: Path) -> None:
        self.call_later(self._show_description, Content.assemble((folder.name or "/", "bold"), f": {describe(folder)}"))

    def _show_description(self, line: Content) -> None:
        self.query_one(".detail", Static).update(line)

    @on(FolderTree.Chosen)
    def chosen(self) -> None:
        node = self.query_one(FolderTree).current
        self.dismiss(node.path if node is not None else None)

    @work
    async def action_type(self) -> None:
        node = self.query_one(FolderTree).current
        start = f"{node.path}/" if node is not None else ""
        if path := await self.app.push_screen_wait(PathPrompt(self.question, start, check=_check_exists)):
            self.dismiss(typed_path(path))


def _check_exists(text: str) -> None:
    """
    Raises:
        UserError: there is no such path.
    """
    path = typed_path(text)
    try:
        exists = path.exists()
    except OSError:
        exists = False
    if not exists:
        raise UserError(f"{printable(path)} does not exist.")
