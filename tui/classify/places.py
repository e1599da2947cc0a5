"""Folders to go to on the Classify screen: bookmarks, recent ones, and the dialog that asks for a path."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import msgspec
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Static

from core.util.atomic import write_atomic
from core.util.files import read_json, typed_path
from core.util.paths import state_folder
from core.util.text import printable
from tui.dialogs.questions import key_hints
from tui.formatting import shown
from tui.shell.panels import Dialog
from tui.widgets.fields import CompletingInput, PathInput
from tui.widgets.row_list import RowList

MOST_RECENT = 12
MOST_ROWS = 12
BOOKMARK = "★"


class Places(msgspec.Struct, kw_only=True):
    """Kept in ``places.json`` of the state folder; without one, or with a damaged one, there are none."""

    bookmarks: list[str] = []
    recent: list[str] = []
    """The latest first."""

    @property
    def all(self) -> list[str]:
        return [*self.bookmarks, *(path for path in self.recent if path not in self.bookmarks)]

    def visit(self, path: Path) -> None:
        text = str(path)
        self.recent = [text, *(other for other in self.recent if other != text)][:MOST_RECENT]
        self._save()

    def turn(self, path: str) -> None:
        """Add a bookmark, or remove it."""
        self.bookmarks = [one for one in self.bookmarks if one != path] + [path] * (path not in self.bookmarks)
        self._save()

    def _save(self) -> None:
        """A list that cannot be saved is not an error."""
        try:
            _file().parent.mkdir(parents=True, exist_ok=True)
            write_atomic(_file(), msgspec.json.encode(self))
        except OSError:
            return


def read_places() -> Places:
    return read_json(_file(), Places) or Places()


def _file() -> Path:
    return state_folder() / "places.json"


class PlaceList(RowList):
    has_cursor = True
    BINDINGS: ClassVar = [Binding("b", "bookmark", "bookmark")]

    def __init__(self, places: Places) -> None:
        super().__init__(id="places")
        self.places = places
        self.paths: Sequence[str] = places.all

    def on_mount(self) -> None:
        self.styles.height = max(1, min(MOST_ROWS, len(self.paths)))
        self.rows_changed()

    def row_count(self) -> int:
        return len(self.paths)

    def row(self, index: int, width: int) -> Content:
        path = self.paths[index]
        mark = f"{BOOKMARK} " if path in self.places.bookmarks else "  "
        return Content.assemble((mark, "$accent"), printable(shown(Path(path), width - 2)))

    def action_bookmark(self) -> None:
        if self.paths:
            self.places.turn(self.paths[self.cursor])
            self.rows_changed()


class GoToScreen(Dialog[Path | None]):
    """Returns a path to go to, or None. ``ctrl+d`` bookmarks the folder that the field names."""

    BINDINGS: ClassVar = [
        Binding("escape", "dismiss", "cancel"),
        Binding("down", "to_list", "to the list", show=False, priority=True),
        Binding("ctrl+d", "bookmark", "bookmark", priority=True),
    ]

    def __init__(self, here: Path) -> None:
        super().__init__()
        self.here = here
        self.places = read_places()

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(Content.styled("Go to a folder or a file", "bold"))
            yield PathInput(f"{shown(self.here)}/".replace("//", "/"), files=True, id="path")
            yield Static("", classes="error")
            yield PlaceList(self.places)
            yield key_hints({"enter": "go", "tab": "complete", "↓": "places", "b ^d": "bookmark", "esc": "cancel"})

    @on(CompletingInput.Candidates)
    def list_candidates(self, event: CompletingInput.Candidates) -> None:
        self.query_one(".error", Static).update(Content("  ".join(event.names)))

    @on(Input.Submitted)
    def go(self, event: Input.Submitted) -> None:
        try:
            path = typed_path(event.value.strip())
            found = path.exists()
        except (OSError, ValueError):
            found = False
        if found:
            self.dismiss(path)
        else:
            self.query_one(".error", Static).update(Content(f"There is no {event.value.strip() or 'path'}."))

    @on(RowList.Chosen)
    def chosen(self, event: RowList.Chosen) -> None:
        self.dismiss(Path(self.query_one(PlaceList).paths[event.index]))

    def action_to_list(self) -> None:
        places = self.query_one(PlaceList)
        if places.has_focus:
            places.action_move(1)
        else:
            places.focus()

    def action_bookmark(self) -> None:
        text = self.query_one(PathInput).value.strip()
        places = self.query_one(PlaceList)
        if places.has_focus:
            places.action_bookmark()
        elif text:
            self.places.turn(str(typed_path(text)))
            places.paths = self.places.all
            places.on_mount()
