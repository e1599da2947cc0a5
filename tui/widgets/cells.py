"""Lines as cells, to send to the terminal only what differs: on a slow link every byte counts."""

from collections.abc import Sequence
from itertools import groupby

from rich.cells import cell_len
from rich.segment import Segment
from textual.content import Content
from textual.geometry import Region
from textual.strip import Strip
from textual.style import Style

Cell = tuple[str, Style]
"""A character and its style."""


def cells(content: Content) -> list[Cell]:
    """The content's characters, each with its style."""
    return [(char, style) for text, style in content.render(end="") for char in text]


def difference(before: Sequence[Cell] | None, now: Sequence[Cell] | None, y: int, width: int) -> Region | None:
    """The span of line ``y`` in which the two differ; None where they do not."""
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
    """The line on the style ``base``, ``width`` cells wide."""
    segments = [
        Segment("".join(char for char, _ in run), (base + style).rich_style)
        for style, run in groupby(line, key=lambda cell: cell[1])
    ]
    return Strip(segments).adjust_cell_length(width, base.rich_style)
