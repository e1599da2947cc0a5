"""What the terminal shows, cell by cell, so that only cells that change are sent to it.

Textual sends a screen or a widget whole when any of it may have changed: a dialog over 120×40 cells was 80 KB.
"""

from collections.abc import Iterator
from itertools import count

from rich.color import ColorSystem
from rich.console import Console
from rich.control import Control
from textual._cells import cell_len
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.strip import Strip

from tui.formatting import characters
from tui.shell.graphics import PLACEHOLDER

Cell = tuple[str, str]
"""A character with the sequences of its style; an empty one for the second cell of a wide character."""
UNKNOWN = ("", "")
_EACH = count()
GAP = 8
"""Unchanged cells that are sent all the same, as moving the cursor over them takes as many bytes."""


class Frame:
    """The cells of a terminal as they were sent."""

    def __init__(self) -> None:
        self._rows: list[list[Cell]] = []

    def forget(self) -> None:
        """Send the next screen whole: after a suspension or a resize the terminal may show anything."""
        self._rows = []

    def changes(self, update: LayoutUpdate | ChopsUpdate, console: Console) -> str:
        """The sequences that make the terminal show ``update``."""
        if isinstance(update, LayoutUpdate) and (
            len(self._rows) != update.region.height or len(self._rows[0]) != update.region.width
        ):
            self._rows = [[UNKNOWN] * update.region.width for _ in range(update.region.height)]
        if not self._rows:
            return update.render_segments(console)
        sent: list[str] = []
        for x, y, strip in _pieces(update):
            row = self._rows[y] if y < len(self._rows) else []
            width, new = strip.cell_length, _cells(strip, console)
            old = row[x : x + width]
            if not len(new) == len(old) == width:  # the widths do not add up, or it was drawn for another size
                row[x : x + width] = [UNKNOWN] * len(old)
                sent += [Control.move_to(x, y).segment.text, strip.render(console)]
                continue
            if new == old:
                continue
            row[x : x + width] = new
            for start, end in _changed(old, new):
                sent.append(Control.move_to(x + start, y).segment.text)
                sent.append(strip.crop(start, end).render(console))
        return "".join(sent)


class Changes(CompositorUpdate):
    """Draws an update on a frame: what differs from the frame."""

    def __init__(self, frame: Frame, update: LayoutUpdate | ChopsUpdate) -> None:
        self._frame, self._update = frame, update

    def render_segments(self, console: Console) -> str:
        return self._frame.changes(self._update, console)


def _pieces(update: LayoutUpdate | ChopsUpdate) -> Iterator[tuple[int, int, Strip]]:
    """Column, row and content of each part of an update."""
    if isinstance(update, LayoutUpdate):
        for y, strips in enumerate(update.strips):
            x = 0
            for strip in strips:
                yield x, y, strip
                x += strip.cell_length
        return
    for y, left, right in update.spans:
        for end, (x, chop) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
            if chop is not None and x < right and end > left:
                yield x, y, chop


def _cells(strip: Strip, console: Console) -> list[Cell]:
    cells: list[Cell] = []
    color_system = console._color_system or ColorSystem.TRUECOLOR
    for text, style, _ in strip:
        code = style.render(" ", color_system=color_system) if style else ""
        if text.isascii():
            cells += [(char, code) for char in text]
            continue
        if PLACEHOLDER in text:  # the terminal draws a new picture only in cells that are sent again
            code += str(next(_EACH))
        for char in characters(text):
            if width := cell_len(char):
                cells += [(char, code), *[("", code)] * (width - 1)]
            elif cells:  # a mark on the last character of another segment
                at = next((at for at in reversed(range(len(cells))) if cells[at][0]), 0)
                cells[at] = cells[at][0] + char, cells[at][1]
    return cells


def _changed(old: list[Cell], new: list[Cell]) -> list[tuple[int, int]]:
    """Where ``new`` differs: starts and ends, with no wide character cut in two."""
    spans: list[tuple[int, int]] = []
    for at, (before, after) in enumerate(zip(old, new, strict=True)):
        if before == after:
            continue
        end = at + 1
        while end < len(new) and not new[end][0]:
            end += 1
        if spans and at - spans[-1][1] <= GAP:
            spans[-1] = spans[-1][0], end
        else:
            while at and not new[at][0]:
                at -= 1
            spans.append((at, end))
    return spans
