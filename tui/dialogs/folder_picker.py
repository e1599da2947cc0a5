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
from core.util.text import counted
from tui.dialogs.questions import key_hints
from tui.widgets.file_tree import AudioTree, Node

MAX_GENRES = 200
"""Subfolders inspected at most."""
KEYS = {"enter": "choose", "→ ←": "open and close", "backspace": "parent", "esc": "cancel"}


def describe(folder: Path) -> str:
    """The content of a folder as a dataset, by names only."""
    folder = folder / "genres" if (folder / "genres").is_dir() else folder
    genres = files = 0
    try:
        inner = [Path(entry.path) for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith(".")]
        for genre in inner[:MAX_GENRES]:
            audio = sum(is_audio(Path(entry.name)) for entry in os.scandir(genre))
            genres, files = genres + bool(audio), files + audio
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if genres < 2:
        return "not a dataset: it needs one subfolder of audio files per genre"
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

    BINDINGS: ClassVar = [Binding("escape", "cancel", "cancel")]

    def __init__(self, start: Path) -> None:
        """``start``: the folder under the cursor at first, among its neighbours."""
        super().__init__()
        self.start = start.absolute()

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="picker"):
            yield Static(Content.styled("Choose the folder that contains one subfolder per genre", "bold"))
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

    def action_cancel(self) -> None:
        self.dismiss(None)
