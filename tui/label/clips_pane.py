"""The panel with the table of clips, its column titles, and the filter above them."""

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Input, Static

from tui.label.state import Clip, Clips
from tui.label.table import ClipTable
from tui.widgets.text_input import FilterInput
from tui.widgets.text_lines import TextLines


class ClipsPane(Vertical):
    def __init__(self, *, id: str, classes: str) -> None:
        super().__init__(id=id, classes=classes)
        self._clips = Clips()

    def compose(self) -> ComposeResult:
        with Horizontal(id="filter"):
            yield Static("/")
            yield FilterInput(compact=True, placeholder="words of file, label, suggestion or artist")
        yield TextLines(id="columns")
        yield ClipTable(id="clips")

    @property
    def table(self) -> ClipTable:
        return self.query_one(ClipTable)

    @property
    def chosen(self) -> list[Clip]:
        """The marked clips, or the one under the cursor."""
        if self._clips.marked:
            return [self._clips.by_place[place] for place in sorted(self._clips.marked)]
        return [self.table.current] if self.table.current is not None else []

    def show(self, clips: Clips, *, to_top: bool = False) -> None:
        """Show those of ``clips`` that the filter leaves; the cursor stays on its clip unless ``to_top``."""
        self._clips, table = clips, self.table
        table.marked, table.teaches = clips.marked, clips.teaches
        table.show(clips.listed(), to_top=to_top)
        self._show_titles()

    def go_to(self, place: int) -> None:
        """Put the cursor on a clip; a filter that hides it is cleared."""
        if self._clips.filter:
            self.clear_filter()
        self.table.go_to(place)

    def open_filter(self) -> None:
        self.set_class(True, "-filtering")
        self.query_one(FilterInput).focus()

    def clear_filter(self) -> bool:
        """False where there is none."""
        if not self.has_class("-filtering"):
            return False
        self.query_one(FilterInput).value = self._clips.filter = ""
        self.set_class(False, "-filtering")
        self.show(self._clips)
        self.table.focus()
        return True

    @on(Input.Submitted)
    def _to_the_list(self) -> None:
        self.table.focus()

    @on(ClipTable.Resized)
    def _show_titles(self) -> None:
        lines = [Content.styled(self.table.titles(), "$text-muted")] if self.table.clips else []
        self.query_one("#columns", TextLines).show(lines)
