"""A spectrogram that grows to the right, in tiles.

Textual redraws a line of a widget from its left edge to the last changed cell. Here the right edge changes, so the
spectrogram is divided into narrow widgets, of which only the last one or two are redrawn.
"""

from collections.abc import Sequence

from textual.containers import Horizontal

from tui.shell.base import BaseApp
from tui.text.formatting import clock
from tui.widgets.spectrogram_view import Image, shading_of, spectrogram_lines
from tui.widgets.text import TextLines

TILE = 4
"""Cells; a last column narrower than that stays empty."""
MOST_ROWS = 32
"""A cell shows two of the 64 bands."""


class ScrollView(Horizontal):
    app: BaseApp
    can_focus = False
    DEFAULT_CSS = f"""
    ScrollView TextLines {{ width: {TILE}; }}
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._shown: dict[int, tuple[object, ...]] = {}
        """Tile → what it shows."""

    @property
    def columns(self) -> int:
        """How many columns have a place."""
        return len(self.children) * TILE

    def show(self, columns: Sequence[bytes]) -> None:
        """Columns of levels, low bands first, the oldest at the left edge."""
        if not columns or self.size.height < 1:
            return
        bands, rows = len(columns[0]), min(self.size.height, MOST_ROWS)
        for number, tile in enumerate(self.query(TextLines)):
            part = columns[number * TILE : (number + 1) * TILE]
            now = (*part, rows, self.app.theme)
            if now != self._shown.get(number):
                self._shown[number] = now
                filled = [*part, *[bytes(bands)] * (TILE - len(part))]
                image = Image(bands, b"".join(bytes(column[band] for column in filled) for band in range(bands)))
                tile.show(spectrogram_lines(image, TILE, rows, self.app.palette, shading_of(self.app)))

    async def on_resize(self) -> None:
        self._shown.clear()
        tiles, wanted = list(self.query(TextLines)), self.size.width // TILE
        await self.mount_all([TextLines() for _ in range(wanted - len(tiles))])
        await self.remove_children(tiles[wanted:])


COLUMNS_PER_CELL = 4
"""Of the twenty columns per second, the loudest is shown."""
SECONDS_PER_CELL = 0.2
TICK_CELLS = 25
"""Between two times below the spectrogram: 5 s."""


def strip_chart(columns: Sequence[bytes], seen: int, width: int) -> list[bytes]:
    """The columns of levels for at most ``width`` cells, one per cell.

    Args:
        columns: the latest ones.
        seen: how many there have been in all.
    """
    cells = seen // COLUMNS_PER_CELL
    oldest = seen - len(columns)
    begin = max(first_cell(seen, width) * COLUMNS_PER_CELL, -(-oldest // COLUMNS_PER_CELL) * COLUMNS_PER_CELL)
    return [
        bytes(map(max, *(columns[at - oldest + i] for i in range(COLUMNS_PER_CELL))))
        for at in range(begin, cells * COLUMNS_PER_CELL, COLUMNS_PER_CELL)
    ]


def first_cell(seen: int, width: int) -> int:
    """Index of the cell at the left edge; the view moves by half its width."""
    cells, step = seen // COLUMNS_PER_CELL, max(1, width // 2)
    return 0 if cells <= width else -(-(cells - width) // step) * step


def times_below(seen: int, width: int) -> str:
    """Times every 5 s, each below the cell that it names: ``00:00                    00:05``."""
    first, line = first_cell(seen, width), ""
    for cell in range(-(-first // TICK_CELLS) * TICK_CELLS, first + width - 4, TICK_CELLS):
        line = f"{line:<{cell - first}}{clock(cell * SECONDS_PER_CELL)}"
    return line
