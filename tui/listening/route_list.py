"""The routes by which sound comes from another machine, one command a row, to be copied."""

from collections.abc import Sequence

from textual.content import Content
from textual.message import Message

from tui.routes import Route
from tui.widgets.row_list import RowList


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
