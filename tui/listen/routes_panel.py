"""How sound gets here from another machine: advice, the routes, and the command under the cursor in full."""

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message

from tui.listen.audio_forwarding import Route
from tui.listen.lines import advice_lines, route_lines
from tui.listen.state import ListenState
from tui.widgets.row_list import RowList
from tui.widgets.text_lines import TextLines


class RouteList(RowList):
    has_cursor = True

    class Moved(Message):
        """The cursor stands on another command."""

    def __init__(self, routes: Sequence[Route], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._routes = routes

    @property
    def route(self) -> Route:
        return self._routes[self.cursor]

    def on_mount(self) -> None:
        self.rows_changed()

    def follows(self) -> bool:
        return False

    def row_count(self) -> int:
        return len(self._routes)

    def row(self, index: int, width: int) -> Content:
        return Content(self._routes[index].purpose).truncate(width, ellipsis=True)

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
