"""Lines of text that are compared cell by cell, text fields, bars of probabilities, and the states of runs.

On a slow link only the cells that differ are sent. `TextLines` shows a few lines; lists and charts use the functions
above it. The cursor of a text field does not blink: an idle app sends nothing to the terminal."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from textual.binding import Binding
from textual.content import Content
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.style import Style
from textual.widget import Widget
from textual.widgets import Input

from tui.formatting import bar, fitted, whole_words, widest

Cell = tuple[str, Style]
"""A character and its style."""


def cells(content: Content) -> list[Cell]:
    """The characters of ``content``, each with its style."""
    return [(char, style) for text, style in content.render(end="") for char in text]


def difference(before: Sequence[Cell] | None, now: Sequence[Cell] | None, y: int, width: int) -> Region | None:
    """The span of line ``y`` in which the two differ, or None."""
    if before == now:
        return None
    if before is None or now is None or any(cell_len(char) != 1 for char, _ in (*before, *now)):
        return Region(0, y, width, 1)
    blank = (" ", Style.null())
    length = max(len(before), len(now))
    pairs = zip([*before, *[blank] * (length - len(before))], [*now, *[blank] * (length - len(now))], strict=True)
    unequal = [x for x, (a, b) in enumerate(pairs) if a != b]
    if not unequal:
        return None
    return Region(unequal[0], y, unequal[-1] - unequal[0] + 1, 1)


def strip(line: Sequence[Cell], base: Style, width: int) -> Strip:
    """The line over the style ``base``, ``width`` cells wide."""
    segments = [
        Segment("".join(char for char, _ in run), (base + style).rich_style)
        for style, run in groupby(line, key=lambda cell: cell[1])
    ]
    return Strip(segments).adjust_cell_length(width, base.rich_style)


def clipped(content: Content, width: int) -> Content:
    """``content`` in at most ``width`` cells. A sentence that is too long loses its last words."""
    if content.cell_length <= width:
        return content
    cut = content.truncate(max(0, width - 1))
    end = whole_words(content.plain, len(cut.plain.rstrip()))  # half of a wide character is a space
    return Content.assemble(cut[:end], "…") if width > 0 else cut


class TextLines(Widget):
    """As high as it has lines; redraws only what has changed."""

    can_focus = False
    DEFAULT_CSS = """
    TextLines { height: 0; width: 1fr; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: list[Content] = []
        self._seen: dict[int, list[Cell]] = {}
        """The lines on the screen."""

    def show(self, lines: Sequence[Content]) -> None:
        before, self._lines = self._lines, list(lines)
        if len(before) != len(lines):
            self.styles.height = len(lines)
            self.refresh()
        for y in range(len(lines)):
            if (region := difference(self._seen.get(y), self._cells(y), y, self.size.width)) is not None:
                self.refresh(region)

    def render_line(self, y: int) -> Strip:
        self._seen[y] = self._cells(y)
        return strip(self._seen[y], self.visual_style, self.size.width)

    def _cells(self, y: int) -> list[Cell]:
        return cells(clipped(self._lines[y], self.size.width)) if y < len(self._lines) else []


class Note(Widget):
    """One line, as wide as its text or as there is room."""

    can_focus = False
    DEFAULT_CSS = """
    Note { height: 1; width: auto; }
    """

    def __init__(self, *, classes: str | None = None) -> None:
        super().__init__(classes=classes)
        self.text = Content("")

    def show(self, text: Content) -> None:
        if text != self.text:
            self.text = text
            self.refresh(layout=True)

    def get_content_width(self, container: Size, viewport: Size) -> int:
        return self.text.cell_length

    def render(self) -> Content:
        return clipped(self.text, self.size.width)


class TextInput(Input):
    def on_mount(self) -> None:
        self.cursor_blink = False


class FilterInput(TextInput):
    """Enter and down move to the list, escape clears the filter; the screen handles both."""

    BINDINGS: ClassVar = [
        Binding("enter,down", "submit", "to the list"),
        Binding("escape", "screen.back", "clear filter"),
    ]


TEXT_CELLS = 9
"""Cells of the percentage and the spaces around it."""
FEWEST_BAR = 16
"""Cells that a bar keeps before long names get more than a third of the width."""


def probability_bars(probabilities: Mapping[str, float], width: int, rows: int, *, sure: bool = True) -> list[Content]:
    """At most ``rows`` lines of ``width`` cells; the first has the accent colour if the decision is confident.

    Names have a column of fixed width, so that bars stay comparable from one sound to the next.
    """
    ranked = sorted(probabilities.items(), key=lambda item: -item[1])[:rows]
    names = min(widest(probabilities), max(6, width // 3, width - TEXT_CELLS - FEWEST_BAR))
    bar_width = max(4, width - names - TEXT_CELLS)
    lines = []
    for rank, (genre, probability) in enumerate(ranked):
        strong = rank == 0 and sure
        lines.append(
            Content.assemble(
                (f"{fitted(genre, names)} ", "bold" if strong else ""),
                (f"{bar(probability, bar_width):<{bar_width}}", "$accent" if strong else "$faint"),
                (f" {probability * 100:5.1f}%", "bold" if strong else ""),
            )
        )
    return lines


STATUS_SYMBOLS = {
    "created": ("○", "$faint"),
    "queued": ("»", "$warn"),
    "running": ("●", "$running"),
    "paused": ("◆", "$warn"),
    "finished": ("✓", "$good"),
    "stopped": ("■", "$faint"),
    "failed": ("✗", "$bad"),
    "lost": ("?", "$bad"),
}
"""State → symbol, colour variable."""


def state_label(state: str) -> Content:
    """``● running``, ``» queued 2``"""
    symbol, colour = STATUS_SYMBOLS.get(state.partition(" ")[0], ("?", "$faint"))
    return Content.assemble((f"{symbol} ", colour), state)
