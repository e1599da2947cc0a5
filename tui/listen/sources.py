"""Where the Listen screen takes its sound from: the picker of sources, and the routes from another machine."""

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from core.audio.live.microphone import Device
from tui.dialogs.questions import key_hints
from tui.listen.audio_forwarding import Route
from tui.listen.drawing import advice_lines, route_lines
from tui.listen.state import ListenState
from tui.shell.panels import Dialog
from tui.widgets.row_list import RowList
from tui.widgets.text import TextLines, clipped

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

    def row_count(self) -> int:
        return len(self.sources)

    def row(self, index: int, width: int) -> Content:
        source = self.sources[index]
        mark = ("● " if source == self.current else "  ", "$accent")
        return clipped(Content.assemble(mark, source_name(source)), width)


class SourcePicker(Dialog[tuple[Device | None] | None]):
    """Returns the source in a tuple (the feed is None), or None if none was chosen."""

    BINDINGS: ClassVar = [Binding("escape", "dismiss", "cancel")]

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


def source_name(source: Device | None) -> str:
    if source is None:
        return "the feed: what genre-tui feed sends, from here or over SSH"
    return f"{source.name} (device {source.number}, {source.rate:,} Hz)"


class RouteList(RowList):
    has_cursor = True

    class Moved(Message):
        """The cursor has moved to another command."""

    def __init__(self, routes: Sequence[Route], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._routes = routes

    @property
    def route(self) -> Route:
        return self._routes[self.cursor]

    def on_mount(self) -> None:
        self.rows_changed()

    def row_count(self) -> int:
        return len(self._routes)

    def row(self, index: int, width: int) -> Content:
        return clipped(Content(self._routes[index].purpose), width)

    def _move_cursor(self, to: int) -> None:
        super()._move_cursor(to)
        self.post_message(self.Moved())


class RoutesPanel(Vertical):
    DEFAULT_CSS = """
    RoutesPanel {
        height: auto;
        RouteList { height: 4; }
        #command { margin: 1 0 0 2; }
    }
    """

    def __init__(self, routes: Sequence[Route], *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._routes = routes

    def compose(self) -> ComposeResult:
        yield TextLines(id="advice")
        yield RouteList(self._routes)
        yield TextLines(id="command")

    @property
    def command(self) -> str:
        """The one under the cursor."""
        return self.query_one(RouteList).route.command

    def show(self, state: ListenState) -> None:
        if not self.display:
            return
        width = max(20, self.query_one("#command").size.width)
        self.query_one("#advice", TextLines).show(advice_lines(state, width))
        self._show_command()

    def take_keys(self) -> None:
        self.query_one(RouteList).focus()

    def on_route_list_moved(self) -> None:
        self._show_command()

    def _show_command(self) -> None:
        place = self.query_one("#command", TextLines)
        place.show(route_lines(self.query_one(RouteList).route, max(20, place.size.width)))
