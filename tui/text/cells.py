"""Text in terminal cells, where some characters (Chinese, Japanese, Korean, emoji) take two."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

from rich.cells import cell_len

JOINER = "\u200d"
"""Joins the emoji on both of its sides into one; at an end of a text it would take what stands beside it."""


def padded(text: str, width: int) -> str:
    """``text`` padded on the right to ``width`` cells."""
    return text + " " * max(0, width - cell_len(text))


def shortened(text: str, width: int) -> str:
    """``text`` in at most ``width`` cells. One that is too long loses its middle: both ends tell names apart."""
    text = text.strip(JOINER)
    if cell_len(text) <= width:
        return text
    if width < 1:
        return ""
    letters = characters(text)
    end = "".join(reversed(_within(reversed(letters), (width - 1) // 2)))
    return f"{''.join(_within(letters, width - 1 - cell_len(end)))}…{end}"


def characters(text: str) -> list[str]:
    """What a person counts as characters: each with the marks and joined emoji that follow it, which take no cells."""
    found: list[str] = []
    for char in text:
        if found and (not cell_len(char) or found[-1].endswith(JOINER)):
            found[-1] += char
        else:
            found.append(char)
    return found


def _within(characters: Iterable[str], width: int) -> list[str]:
    """As many of the first characters as fit into ``width`` cells."""
    kept: list[str] = []
    for char in characters:
        if (width := width - cell_len(char)) < 0:
            break
        kept.append(char)
    return kept


def fitted(text: str, width: int, *, right: bool = False) -> str:
    """``text`` cut or padded to exactly ``width`` cells."""
    short = shortened(text, width)
    space = " " * (width - cell_len(short))
    return space + short if right else short + space


def beginning(text: str, width: int) -> str:
    """``text`` in at most ``width`` cells. A sentence that is too long loses its end."""
    text = text.strip(JOINER)
    if cell_len(text) <= width:
        return text
    return "".join([*_within(characters(text), width - 1), "…"]) if width > 0 else ""


def ending(text: str, width: int) -> str:
    """``text`` in at most ``width`` cells. One that is too long loses its beginning, which tells paths apart less."""
    text = text.strip(JOINER)
    if cell_len(text) <= width:
        return text
    return "".join(["…", *reversed(_within(reversed(characters(text)), width - 1))]) if width > 0 else ""


def widest(names: Iterable[str]) -> int:
    """Cells of the widest of ``names``; 0 without any."""
    return max(map(cell_len, names), default=0)


def shown(path: Path, width: int | None = None) -> str:
    """A path with ``~`` for the home folder; one that is too long keeps its end, which says more than its beginning."""
    home = Path.home()
    inside = path.is_relative_to(home)
    text = "~" if path == home else f"~/{path.relative_to(home)}" if inside else str(path)
    return text if width is None else ending(text, width)


STEPS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float], width: int) -> str:
    """Fractions from 0 to 1 in at most ``width`` cells: the mean of each bin, a gap where it is NaN."""
    if len(values) > width:
        edges = [round(i * len(values) / width) for i in range(width + 1)]
        values = [sum(part) / len(part) for a, b in pairwise(edges) if (part := values[a:b])]
    return "".join(" " if value != value else STEPS[min(7, max(0, int(value * 8)))] for value in values)


def bar(share: float, width: int) -> str:
    """A bar of ``share`` (0 to 1) of ``width`` cells, in steps of half a cell; without the rest of its width."""
    whole, half = divmod(round(min(1.0, max(0.0, share)) * width * 2), 2)
    return "━" * whole + "╸" * half
