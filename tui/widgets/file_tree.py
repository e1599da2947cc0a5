"""A tree of folders and audio files to choose from."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from textual.binding import Binding
from textual.content import Content

from core.audio.files.formats import is_audio
from core.util.archive.path import is_folder
from core.util.errors import reason
from core.util.text import printable
from tui.formatting import shortened, shown
from tui.widgets.row_list import RowList
from tui.widgets.text import clipped


@dataclass(eq=False)
class Node:
    """A file or folder. ``children`` is None until the folder has been read."""

    path: Path
    depth: int
    is_folder: bool
    is_open: bool = False
    children: list["Node"] | None = None
    error: str = ""
    label: str = field(init=False)

    def __post_init__(self) -> None:
        self.label = printable(self.path.name or self.path)


class AudioTree(RowList):
    """Enter opens and closes a folder; on a file it posts `RowList.Chosen`. Left and right close and open folders."""

    BINDING_GROUP_TITLE = "Files"
    BINDINGS: ClassVar = [
        Binding("right", "unfold", "open", show=False, key_display="→", id="tree.open"),
        Binding("left", "fold", "close", show=False, key_display="←", id="tree.close"),
        Binding("backspace", "up", "parent", show=False, id="tree.parent", tooltip="Show the parent folder"),
    ]
    has_cursor = True

    def __init__(self, root: Path, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.audio_only = True
        self.filter = ""
        self.marked: dict[Path, None] = {}
        """Marked paths, in the order of marking."""
        self._root = self._opened(Node(root.absolute(), 0, True))
        self._rows: list[Node] = []

    def on_mount(self) -> None:
        self._list_rows()

    def on_resize(self) -> None:
        self._make_room()

    @property
    def root(self) -> Path:
        return self._root.path

    @property
    def current(self) -> Node | None:
        return self._rows[self.cursor] if self.cursor < len(self._rows) else None

    def show_root(self, root: Path) -> None:
        """Show another folder; the cursor goes to the previous one if that is inside."""
        before = self._root.path
        self._root = self._opened(Node(root.absolute(), 0, True))
        self._list_rows()
        self._go_to(before)

    def reveal(self, path: Path) -> None:
        """Open the folders down to ``path`` and put the cursor on it."""
        path = path.absolute()
        if not path.is_relative_to(self.root):
            self._root = self._opened(Node(path.parent, 0, True))
        node = self._root
        for part in path.relative_to(self.root).parts:
            self._opened(node)
            inner = next((child for child in node.children or [] if child.path.name == part), None)
            if inner is None:
                break
            node = inner
        self._list_rows()
        self._go_to(node.path)

    def look_again(self) -> None:
        """Read the open folders again."""
        on = self.current
        self._reread(self._root)
        self._list_rows()
        if on is not None:
            self._go_to(on.path)

    def narrow(self, text: str) -> None:
        """Show only files whose names contain ``text``, in the open folders."""
        self.filter = text.casefold()
        self._list_rows()

    def toggle_audio_only(self) -> None:
        self.audio_only = not self.audio_only
        self.look_again()

    def toggle_mark(self) -> None:
        """Mark or unmark the row under the cursor and move to the next."""
        node = self.current
        if node is None:
            return
        if self.marked.pop(node.path, node) is node:
            self.marked[node.path] = None
        self.rows_changed()
        self.action_move(1)

    def clear_marks(self) -> None:
        self.marked.clear()
        self.rows_changed()

    def row_count(self) -> int:
        return len(self._rows)

    def row(self, index: int, width: int) -> Content:
        node = self._rows[index]
        mark = "✓ " if node.path in self.marked else "  "
        fold = ("▾ " if node.is_open else "▸ ") if node.is_folder else "  "
        if node is self._root:
            text = Content.styled(
                f"{shown(node.path, max(8, width - 5))}{os.sep if node.path != Path('/') else ''}", "bold"
            )
        else:
            slash = os.sep * node.is_folder
            text = Content(shortened(node.label, max(8, width - 4 - 2 * node.depth - len(slash))) + slash)
        if node.is_folder or is_audio(node.path):
            line = Content.assemble((mark, "bold $accent"), "  " * node.depth, (fold, "$text-muted"), text)
        else:
            line = Content.assemble((mark, "bold $accent"), "  " * node.depth, fold, text.stylize("$text-muted"))
        if node.error:
            line = Content.assemble(line, (f"  {node.error}", "$bad"))
        elif node.is_open and not node.children:
            line = Content.assemble(line, (f"  no {'audio files' if self.audio_only else 'files'}", "$text-muted"))
        return clipped(line, width)

    def action_choose(self) -> None:
        node = self.current
        if node is not None and node.is_folder:
            self._set_open(node, not node.is_open)
        else:
            super().action_choose()

    def action_unfold(self) -> None:
        node = self.current
        if node is not None and node.is_folder and not node.is_open:
            self._set_open(node, True)
        else:
            self.action_move(1)

    def action_fold(self) -> None:
        """Close the folder under the cursor, or move to the parent of the row."""
        node = self.current
        if node is None:
            return
        if node.is_folder and node.is_open and node is not self._root:
            self._set_open(node, False)
        else:
            self._go_to(node.path.parent)

    def action_up(self) -> None:
        if self.root.parent != self.root:
            self.show_root(self.root.parent)

    def _set_open(self, node: Node, is_open: bool) -> None:
        if is_open:
            self._opened(node)
        else:
            node.is_open = False
        self._list_rows()
        self._make_room()
        self._settle()

    def _make_room(self) -> None:
        """Scroll so that as much as possible of the open folder under the cursor is in view."""
        node, last = self.current, self.cursor
        if node is None or not node.is_open or not self.size.height:
            return
        while last + 1 < len(self._rows) and self._rows[last + 1].depth > node.depth:
            last += 1
        self.top = min(self.cursor, max(self.top, last - self.size.height + 1))

    def _opened(self, node: Node) -> Node:
        if node.children is None:
            node.children = self._inside(node)
        node.is_open = True
        return node

    def _inside(self, node: Node) -> list[Node]:
        try:
            with os.scandir(node.path) as scan:
                entries = [(entry, is_folder(entry)) for entry in scan if not entry.name.startswith(".")]
        except OSError as error:
            node.error = reason(error).lower()
            return []
        entries.sort(key=lambda pair: (not pair[1], pair[0].name.casefold()))
        return [
            Node(Path(entry.path), node.depth + 1, is_folder)
            for entry, is_folder in entries
            if is_folder or not self.audio_only or is_audio(entry.name)
        ]

    def _reread(self, node: Node) -> None:
        before = {child.path: child for child in node.children or []}
        node.error = ""
        node.children = self._inside(node)
        for index, child in enumerate(node.children):
            known = before.get(child.path)
            if known is not None and known.is_folder and known.is_open:
                node.children[index] = known
                self._reread(known)

    def _list_rows(self) -> None:
        rows: list[Node] = []

        def walk(node: Node) -> None:
            if not self.filter or node.is_folder or self.filter in node.label.casefold():
                rows.append(node)
            for child in node.children or [] if node.is_open else []:
                walk(child)

        walk(self._root)
        self._rows = rows
        self.rows_changed()

    def _go_to(self, path: Path) -> None:
        for index, node in enumerate(self._rows):
            if node.path == path:
                self._move_cursor(index)
                return
