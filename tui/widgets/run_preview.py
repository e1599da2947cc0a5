"""What the run under the cursor is: two lines from its journal, and its path. Read aside: moving stays quick."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

from textual import work
from textual.content import Content
from textual.widget import Widget
from textual.worker import get_current_worker

from core.runs.folder import RunFolder
from core.runs.tail import RunTail
from tui.listing.preview import preview

if TYPE_CHECKING:
    from tui.app import GenreApp

DELAY = 0.1
"""Seconds for which the cursor rests on a run before its journal is read."""


class RunPreview(Widget):
    app: "GenreApp"
    can_focus = False

    def __init__(self) -> None:
        super().__init__()
        self._path: Path | None = None
        self._tail: RunTail | None = None
        self._lines: list[Content] = []

    def show(self, path: Path | None) -> None:
        """Show another run, or the same one as it is now."""
        if path != self._path:
            self._path, self._tail, self._lines = path, None, []
            self.refresh()
        if path is not None:
            self.read(path)

    @work(thread=True, exclusive=True)
    def read(self, path: Path) -> None:
        worker = get_current_worker()
        if self._tail is None:
            time.sleep(DELAY)
        tail = self._tail or RunTail(RunFolder(path))
        tail.poll()
        if not worker.is_cancelled:
            self.app.call_from_thread(self._take, path, tail)

    def _take(self, path: Path, tail: RunTail) -> None:
        if path == self._path:
            self._tail = tail
            self._describe()

    def on_resize(self) -> None:
        self._describe()

    def _describe(self) -> None:
        lines = preview(self._tail.state, time.time(), self.size.width) if self._tail else []
        if not _same(lines, self._lines):
            self._lines = lines
            self.refresh()

    def render(self) -> Content:
        path = Content("") if self._path is None else Content.styled(_shown(self._path, self.size.width), "$text-muted")
        return Content("\n").join([*(self._lines or [Content(""), Content("")]), path])


def _shown(path: Path, width: int) -> str:
    """Below the home folder with a tilde; the end of a path that is too long says more than its beginning."""
    text = f"~/{path.relative_to(Path.home())}" if path.is_relative_to(Path.home()) else str(path)
    return text if len(text) <= width else "…" + text[len(text) - max(0, width - 1) :]


def _same(lines: list[Content], others: list[Content]) -> bool:
    return len(lines) == len(others) and all(a.is_same(b) for a, b in zip(lines, others, strict=True))
