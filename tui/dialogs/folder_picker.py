"""A dialog to choose a folder in a tree; it tells whether the folder under the cursor looks like a dataset."""

import os
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Static

from core.audio.files.formats import is_audio
from core.dataset.pack_manifest import is_pack
from core.util.errors import UserError
from core.util.files import typed_path
from core.util.text import counted, printable
from tui.dialogs.questions import PromptScreen, key_hints
from tui.widgets.file_tree import AudioTree, Node

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


class FolderPicker(ModalScreen[Path | None]):
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
        if path := await self.app.push_screen_wait(PromptScreen(self.question, start, check=_check_exists)):
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
