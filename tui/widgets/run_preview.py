"""What the run under the cursor is: two lines from its journal, and its path. Read aside: moving stays quick."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

from textual import work
from textual.content import Content

from core.runs.folder import RunFolder
from core.runs.tail import RunTail
from tui.listing.preview import preview
from tui.paths import shown
from tui.widgets.text_lines import TextLines

if TYPE_CHECKING:
    from tui.app import GenreApp

DELAY = 0.1
"""Seconds for which the cursor rests on a run before its journal is read."""


class RunPreview(TextLines):
    app: "GenreApp"

    def __init__(self) -> None:
        super().__init__()
        self._path: Path | None = None
        self._tail: RunTail | None = None
        self._reading: Path | None = None

    def show_run(self, path: Path | None) -> None:
        """Show another run, or the same one as it is now."""
        if path != self._path:
            self._path, self._tail = path, None
            self._describe()
        if path is not None and path != self._reading:
            self._reading = path
            self._read(path, self._tail)

    @work(thread=True)
    def _read(self, path: Path, tail: RunTail | None) -> None:
        if tail is None:
            time.sleep(DELAY)
        if path == self._path:
            tail = tail or RunTail(RunFolder(path))
            tail.poll()
        self.call_later(self._take, path, tail)

    def _take(self, path: Path, tail: RunTail | None) -> None:
        if path == self._reading:
            self._reading = None
        if path == self._path:
            self._tail = tail
            self._describe()

    def on_resize(self) -> None:
        self._describe()

    def _describe(self) -> None:
        width = self.size.width
        lines = preview(self._tail.state, time.time(), width) if self._tail else [Content(""), Content("")]
        path = Content("") if self._path is None else Content.styled(shown(self._path, width), "$text-muted")
        self.show([*lines, path])
