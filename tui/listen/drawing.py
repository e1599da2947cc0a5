"""What the Listen screen draws: its text lines, and a spectrogram that grows to the right, in tiles.

Textual redraws a line of a widget from its left edge to the last changed cell. Here the right edge changes, so the
spectrogram is divided into narrow widgets, of which only the last one or two are redrawn."""

import textwrap
import time
from collections import deque
from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from textual.containers import Horizontal
from textual.content import Content

from core.audio.live.source import State
from core.util.text import counted
from tui.formatting import clock, fitted, percent, shortened, widest
from tui.listen.audio_forwarding import Route
from tui.listen.state import HistoryEntry, ListenState
from tui.shell.base import BaseApp
from tui.widgets.spectrogram_view import Image, shading_of, spectrogram_lines
from tui.widgets.text import TextLines

MARKS = {
    State.WAITING: ("◌", "$faint"),
    State.RECEIVING: ("●", "$good"),
    State.STALLED: ("◆", "$warn"),
    State.TROUBLE: ("✗", "$bad"),
}
TIME, PERCENT = 10, 5
"""Cells of the history's columns, with the spaces between them."""
FEWEST_GENRE = FEWEST_MODEL = 12
"""Cells of a genre, and of the names of the model and the source, at least."""


def source_line(state: ListenState, wanted: str, width: int, *, listening: bool, paused: bool) -> Content:
    """The source and its state in ``width`` cells. ``wanted`` is the source that is chosen."""
    if state.trouble:
        return Content.assemble(("✗ ", "$bad"), state.trouble)
    if not listening:
        return Content.assemble(("■ ", "$faint"), "not listening; ", ("p", "bold"), f" listens to {wanted}")
    if paused:
        return Content.assemble(("◆ ", "$warn"), f"paused · {wanted}")
    if state.opened is None or state.source is None:
        return Content.assemble(("◌ ", "$faint"), f"loading the model; already listening to {wanted}")
    mark, colour = MARKS[state.source.state]
    received = f" · {clock(state.level.seconds)}" if state.level and state.is_receiving else ""
    source = shortened(state.source.text or state.source.state, max(FEWEST_MODEL, width - 2 - len(received)))
    return Content.assemble((f"{mark} ", colour), f"{source}{received}")


def figures_line(state: ListenState, width: int, caveats: Sequence[str] = ()) -> Content:
    """How well predictions keep up with the sound, and their model, in ``width`` cells."""
    if state.opened is None:
        return Content("")
    opened, source = state.opened, state.source
    parts = []
    if state.prediction is not None:
        parts.append(Content(f"latency {state.prediction.latency_s:.2f} s"))
    if source is not None:
        parts.append(Content.styled(f"sound lost {source.overruns}×", "bold $bad" if source.overruns else ""))
        if source.skipped:
            parts.append(Content.styled(f"{counted(source.skipped, 'window')} skipped", "$warn"))
    warnings = [Content.styled(f"! {caveat}", "$warn") for caveat in caveats]
    room = width - sum(part.cell_length + 3 for part in (*parts, *warnings)) - len("model ")
    model = Content.assemble("model ", (shortened(opened.model, max(FEWEST_MODEL, room)), "bold"))
    windows = Content(f" · windows of {opened.window_seconds:g} s")
    line = Content(" · ").join([*parts, model, *warnings])
    return line + windows if cell_len(opened.model) + windows.cell_length <= room else line


def prediction_lines(state: ListenState, width: int) -> list[Content]:
    """The smoothed prediction, or the progress of the first window, in two lines of ``width`` cells."""
    prediction, level = state.prediction, state.level
    if prediction is None:
        if level is None or state.opened is None:
            return [Content(""), Content("")]
        seconds = state.opened.window_seconds
        filling = f"the first window fills: {level.filling * seconds:.1f}/{seconds:g} s"
        return [Content.styled(filling, "$text-muted"), Content("")]
    if prediction.smoothed_genre is not None:
        genre = Content.assemble(
            (shortened(prediction.smoothed_genre, max(FEWEST_GENRE, width - PERCENT - 1)), "bold $accent"),
            f"  {percent(prediction.smoothed[prediction.smoothed_genre], 0)}",
        )
        return [genre, Content("")]
    uncertain, reason = Content.styled("? uncertain", "bold"), Content(f"  {prediction.reason or 'no clear genre'}")
    fits = uncertain.cell_length + reason.cell_length <= width
    return [uncertain + reason, Content("")] if fits else [uncertain, reason]


def history_lines(history: deque[HistoryEntry], width: int) -> Iterator[Content]:
    """Newest first."""
    names = max(0, min(max(FEWEST_GENRE, widest(entry.genre or "" for entry in history)), width - TIME - PERCENT))
    for since, genre, probability, reason in reversed(history):
        when = (time.strftime("%H:%M:%S  ", time.localtime(since)), "$text-muted")
        if genre is not None:
            yield Content.assemble(when, (f"{fitted(genre, names)} ", "bold"), percent(probability, 0))
        else:
            yield Content.assemble(when, (f"? {reason}", "$text-muted"))


def advice_lines(state: ListenState, width: int) -> list[Content]:
    """What to do when there is no sound."""
    why = state.devices.error if state.devices is not None else ""
    text = f"{why[:1].upper()}{why[1:]}." if why else "Sound can also come from your local machine, over SSH:"
    return [*(Content(line) for line in textwrap.wrap(text, width)), Content("")]


def route_lines(route: Route, width: int) -> list[Content]:
    """The commands of a route and the machine to type them on."""
    keys = Content.assemble(("  y", "bold $footer-key-foreground"), (" copies it", "$text-muted"))
    return [Content.styled(f"{route.where}:", "$text-muted") + keys, *command_lines(route.command, width)]


def command_lines(command: str, width: int) -> list[Content]:
    """A shell command in full, broken into lines where a shell allows it, so that it can be typed as shown."""
    lines, line = [], ""
    for word in command.split(" "):
        longer = f"{line} {word}" if line else word
        if line and len(longer) > width - 2:
            lines.append(f"{line} \\")
            line = f"  {word}"
        else:
            line = longer
    return [Content(text) for text in [*lines, line]]


LOWEST_DB = -60.0
WARM_DB = -6.0
"""Level from which sound is shown as loud; 0 is full scale."""


def level_line(level_db: float, peak_db: float, clipping: bool, width: int) -> Content:
    """``━━━━━━━━━━━    ┃      −18.2 dB  peak −9.1`` in ``width`` cells; clipping is stated in words.

    Args:
        level_db: root mean square, and ``peak_db`` the highest recent peak, in dB of full scale.
    """
    figures = Content.assemble(
        f" {_figure(level_db)} dB ",
        ("peak ", "$text-muted"),
        _figure(peak_db),
        ("  CLIPPING", "bold $bad") if clipping else "          ",
    )
    cells = max(4, width - figures.cell_length)
    filled, peak, warm = (_cell(db, cells) for db in (level_db, peak_db, WARM_DB))
    bar = Content.assemble(
        ("━" * min(filled, warm), "$good"),
        ("━" * max(0, filled - warm), "$warn"),
        ("·" * (cells - filled), "$faint"),
    )
    if 0 < peak <= cells:
        mark = Content.styled("┃", "$bad" if clipping else "$warn" if peak > warm else "$good")
        bar = bar[: peak - 1] + mark + bar[peak:]
    return bar + figures


def _cell(db: float, cells: int) -> int:
    return round(min(1.0, max(0.0, (db - LOWEST_DB) / -LOWEST_DB)) * cells)


def _figure(db: float) -> str:
    return f"{'−∞':>5}" if db <= -119 else f"{db:5.1f}".replace("-", "−")


TILE = 4
"""Cells of a tile; a narrower rest at the right edge stays empty."""
MOST_ROWS = 32
"""Most rows, because a cell shows two of the 64 bands."""


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
        """Number of columns that fit."""
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
"""Columns per cell, of twenty per second; the loudest is shown."""
SECONDS_PER_CELL = 0.2
TICK_CELLS = 25
"""Cells between two times below the spectrogram: 5 s."""


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
