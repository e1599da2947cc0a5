"""The dataset on the New run screen: what a scan found, its label settings, and its genres, which can be merged.

`DemoScreen` creates a small synthetic dataset.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static

from core.dataset.clip import DatasetError
from core.dataset.metadata import write_with_name
from core.dataset.settings import LabelSettings, SplitSettings
from core.util.errors import UserError
from core.util.files import typed_path
from core.util.jsonl_process import JsonlProcess, Refused, path_to_json
from core.util.paths import state_folder
from core.util.text import counted
from tui.dialogs.questions import PromptScreen, key_hints
from tui.new_run.dataset_process import DatasetSummary, Found, Progress, Scan, finding_lines, genre_line, head_lines
from tui.new_run.dataset_process import Message as Answer
from tui.new_run.rows import FieldRow
from tui.shell.base import BaseApp
from tui.shell.panels import Dialog
from tui.widgets.fields import PathInput
from tui.widgets.row_list import RowList


class GenreList(RowList):
    """One line per genre; enter on one merges it with another."""

    BINDING_GROUP_TITLE = "The genres"
    BINDINGS: ClassVar = [Binding("enter", "choose", "merge", tooltip="Merge the genre with another, or leave it out")]
    has_cursor = True

    def __init__(self) -> None:
        super().__init__(id="genres")
        self.summary: DatasetSummary | None = None

    def show(self, summary: DatasetSummary | None) -> None:
        self.summary = summary
        self.styles.height = self.row_count()
        self.rows_changed()

    def row_count(self) -> int:
        return 0 if self.summary is None else len(self.summary.genres)

    def row(self, index: int, width: int) -> Content:
        assert self.summary is not None
        return genre_line(self.summary.genres[index], self.summary, width)


class DatasetPanel(VerticalScroll, can_focus=False):
    """Scans in a process of its own; a scan that is no longer wanted is abandoned."""

    app: BaseApp

    class Changed(Message):
        """A scan has begun, progressed or ended; see ``summary``, ``error`` and ``is_scanning``."""

    class Mapped(Message):
        """Another table merges the genres now."""

        def __init__(self, table: Path) -> None:
            super().__init__()
            self.table = table

    def __init__(self, rows: Callable[[], list[FieldRow]]) -> None:
        """``rows``: makes the rows of the label settings."""
        super().__init__(id="dataset", classes="panel")
        self.summary: DatasetSummary | None = None
        self.error = ""
        self.message = ""
        """Text shown while there is no summary."""
        self._rows = rows
        self._map: Path | None = None
        self._process: JsonlProcess[Scan, Answer] | None = None

    @property
    def is_scanning(self) -> bool:
        return self._process is not None

    def compose(self) -> ComposeResult:
        yield Static("", id="summary")
        yield from self._rows()
        yield GenreList()
        yield Static("", id="findings")

    # The scan

    def scan(self, folder: Path, split: SplitSettings | None, labels: LabelSettings) -> None:
        self._map = Path(labels.map) if labels.map else None
        self.stop("Scanning the dataset …")
        process: JsonlProcess[Scan, Answer] = JsonlProcess(
            "tui.new_run.dataset_process",
            Answer,
            lambda message, request: self.call_later(self._take, process, message),
            crashed="the files could not be scanned: the process has ended unexpectedly",
        )
        self._process = process
        process.ask(Scan(path_to_json(folder), split, labels))
        self._show()

    def stop(self, message: str) -> None:
        """End a scan; the summary is replaced by a message."""
        self._end()
        self.summary, self.error, self.message = None, "", message
        self._show()

    def _end(self) -> None:
        if self._process is not None:
            self._process.close()
            self._process = None

    def on_unmount(self) -> None:
        self._end()

    def _take(self, process: JsonlProcess[Scan, Answer], message: Answer | Refused) -> None:
        if process is not self._process:
            return
        match message:
            case Progress(done, total):
                self.message = f"Scanning the dataset … {done:,} of {counted(total, 'file')}"
            case Refused(error):
                self._end()
                self.error = error
            case Found(summary):
                self._end()
                self.summary = summary
        self._show()

    # Display

    def head(self) -> list[Content]:
        """The first lines: what was found, or why nothing was."""
        if self.summary is not None:
            return head_lines(self.summary)
        return [Content.styled(self.error, "$bad") if self.error else Content.styled(self.message, "$text-muted")]

    def _show(self) -> None:
        self.query_one("#summary", Static).update(Content("\n").join(self.head()))
        self.query_one(GenreList).show(self.summary)
        findings = [] if self.summary is None else finding_lines(self.summary)
        self.query_one("#findings", Static).update(Content("\n").join(findings))
        self.post_message(self.Changed())

    # Merging genres

    @on(RowList.Chosen)
    @work
    async def merge(self, event: RowList.Chosen) -> None:
        summary = self.summary
        if summary is None:
            return
        genre = summary.genres[event.index].genre
        question = f"{genre} counts as which genre? Leave this empty to leave its files out."
        answer = await self.app.push_screen_wait(PromptScreen(question, genre))
        if answer is None or answer.strip() == genre:
            return
        table = state_folder() / "maps" / f"{time.strftime('%Y-%m-%d_%H-%M-%S')}.csv"
        try:
            write_with_name(table, self._map, genre, answer.strip())
        except (DatasetError, OSError) as error:
            self.app.notify(f"The genre cannot be merged: {error}", severity="error")
        else:
            self.post_message(self.Mapped(table))


class DemoScreen(Dialog[Path | None]):
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
