"""Text in terminal cells, where some characters (Chinese, Japanese, Korean, emoji) take two."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

from rich.cells import cell_len, set_cell_size


def padded(text: str, width: int) -> str:
    """``text`` padded on the right to ``width`` cells."""
    return text + " " * max(0, width - cell_len(text))


def shortened(text: str, width: int) -> str:
    """``text`` cut to ``width`` cells, with an ellipsis where something is missing."""
    return text if cell_len(text) <= width else set_cell_size(text, width - 1) + "…"


def fitted(text: str, width: int, *, right: bool = False) -> str:
    """``text`` cut or padded to exactly ``width`` cells."""
    short = shortened(text, width)
    space = " " * (width - cell_len(short))
    return space + short if right else short + space


def fitted_name(text: str, width: int) -> str:
    """``text`` padded to ``width`` cells; one that is too long loses its middle: both ends tell files apart."""
    if cell_len(text) <= width:
        return padded(text, width)
    end = text[len(text) - max(0, (width - 1) // 2) :]
    while cell_len(end) > (width - 1) // 2:
        end = end[1:]
    return padded(shortened(text, width - cell_len(end)) + end, width)


def fitted_path(text: str, width: int) -> str:
    """``text`` padded to ``width`` cells; one that is too long loses its beginning, which tells paths apart less."""
    if cell_len(text) <= width:
        return padded(text, width)
    while cell_len(text) > width - 1:
        text = text[1:]
    return padded(f"…{text}", width)


def widest(names: Iterable[str]) -> int:
    """Cells of the widest of ``names``; 0 without any."""
    return max(map(cell_len, names), default=0)


def shown(path: Path, width: int | None = None) -> str:
    """A path with ``~`` for the home folder; one that is too long keeps its end, which says more than its beginning."""
    home = Path.home()
    inside = path.is_relative_to(home)
    text = "~" if path == home else f"~/{path.relative_to(home)}" if inside else str(path)
    return text if width is None or len(text) <= width else "…" + text[len(text) - max(0, width - 1) :]


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
