"""A folder chosen in a tree. It says of the one under the cursor whether it looks like a dataset."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import DirectoryTree, Static, Tree
from textual.widgets.directory_tree import DirEntry

from core.audio.formats import is_audio
from tui.figures import count

MOST_GENRES = 200
"""Folders that are looked into, however many there are."""
KEYS = {"enter": "choose", "→ ←": "open and close", "u": "parent", "esc": "leave it"}


def describe(folder: Path) -> str:
    """What a folder holds, as a dataset: a cheap look at names only."""
    folder = folder / "genres" if (folder / "genres").is_dir() else folder
    genres = files = 0
    try:
        inner = [Path(entry.path) for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith(".")]
        for genre in inner[:MOST_GENRES]:
            audio = sum(is_audio(Path(entry.name)) for entry in os.scandir(genre))
            genres, files = genres + bool(audio), files + audio
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if genres < 2:
        return "no dataset: it should hold a folder of audio files for each genre"
    return f"{count(genres, 'genre')}, {count(files, 'audio file')}"


class FolderTree(DirectoryTree):
    ICON_NODE = "▸ "
    ICON_NODE_EXPANDED = "▾ "
    BINDINGS: ClassVar = [
        Binding("right", "open", "open", key_display="→"),
        Binding("left", "close", "close", key_display="←"),
    ]

    def on_mount(self) -> None:
        self.auto_expand = False
        self.show_guides = False
        self.guide_depth = 2

    def filter_paths(self, paths: Iterable[Path]) -> Iterable[Path]:
        return [path for path in paths if not path.name.startswith(".") and path.is_dir()]

    def action_open(self) -> None:
        if self.cursor_node is not None:
            self.cursor_node.expand()

    def action_close(self) -> None:
        node = self.cursor_node
        if node is not None and not node.is_expanded and node.parent is not None:
            self.move_cursor(node.parent)
        elif node is not None:
            node.collapse()


class FolderPicker(ModalScreen[Path | None]):
    """Answers with the folder, or None."""

    BINDINGS: ClassVar = [
        Binding("backspace,u", "up", "parent folder"),
        Binding("escape", "cancel", "cancel"),
    ]

    def __init__(self, start: Path) -> None:
        """``start``: the folder that the cursor begins on, with its neighbours around it."""
        super().__init__()
        self.start = start.absolute()

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="picker"):
            yield Static(Content.styled("Choose the folder that holds a folder for each genre", "bold"))
            yield FolderTree(self.start.parent)
            yield Static("", classes="detail")
            parts = [((key, "bold $footer-key-foreground"), f" {what}   ") for key, what in KEYS.items()]
            yield Static(Content.assemble(*(part for pair in parts for part in pair)), classes="keys")

    async def on_mount(self) -> None:
        tree = self.query_one(FolderTree)
        tree.focus()
        await tree.reload()
        for node in tree.root.children:
            if node.data is not None and node.data.path == self.start:
                tree.move_cursor(node)
                node.expand()

    @on(Tree.NodeHighlighted)
    def look(self, event: Tree.NodeHighlighted[DirEntry]) -> None:
        if event.node.data is not None:
            self._look(event.node.data.path)

    @work(thread=True, exclusive=True)
    def _look(self, folder: Path) -> None:
        line = Content.assemble((folder.name or "/", "bold"), f": {describe(folder)}")
        self.call_later(self._tell, line)

    def _tell(self, line: Content) -> None:
        self.query_one(".detail", Static).update(line)

    @on(DirectoryTree.DirectorySelected)
    def chosen(self, event: DirectoryTree.DirectorySelected) -> None:
        self.dismiss(event.path)

    def action_up(self) -> None:
        tree = self.query_one(FolderTree)
        tree.path = Path(tree.path).parent

    def action_cancel(self) -> None:
        self.dismiss(None)
