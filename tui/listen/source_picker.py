"""Where the Listen screen takes its sound from: one of the machine's devices, or what is fed over SSH."""

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from core.audio.live.microphone import Device
from tui.dialogs.questions import key_hints
from tui.widgets.row_list import RowList

FEED = None
"""Id of the feed among the devices."""


class SourceList(RowList):
    has_cursor = True

    def __init__(self, sources: Sequence[Device | None], current: Device | None) -> None:
        super().__init__()
        self.sources, self.current = sources, current
        self.cursor = next((i for i, source in enumerate(sources) if source == current), 0)

    def on_mount(self) -> None:
        self.styles.height = min(len(self.sources), 12)
        self.rows_changed()

    def follows(self) -> bool:
        return False

    def row_count(self) -> int:
        return len(self.sources)

    def row(self, index: int, width: int) -> Content:
        source = self.sources[index]
        mark = ("● " if source == self.current else "  ", "$accent")
        return Content.assemble(mark, source_name(source)).truncate(width, ellipsis=True)


class SourcePicker(ModalScreen[tuple[Device | None] | None]):
    """Answers with the source in a tuple (the feed is None), or with None where none was chosen."""

    BINDINGS: ClassVar = [Binding("escape", "cancel", "cancel")]

    def __init__(self, devices: Sequence[Device], current: Device | None, note: str) -> None:
        """Args:
        note: why there are no devices.
        """
        super().__init__()
        self.sources: list[Device | None] = [*devices, FEED]
        self.current, self.note = current, note

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(Content.styled("Listen to", "bold"))
            yield SourceList(self.sources, self.current)
            if self.note:
                yield Static(self.note, classes="detail", markup=False)
            yield key_hints({"enter": "listen", "esc": "leave it"})

    @on(RowList.Chosen)
    def chosen(self, event: RowList.Chosen) -> None:
        self.dismiss((self.sources[event.index],))

    def action_cancel(self) -> None:
        self.dismiss(None)


def source_name(source: Device | None) -> str:
    if source is None:
        return "the feed: what genre-tui feed sends, from here or over SSH"
    return f"{source.name} (device {source.number}, {source.rate:,} Hz)"
