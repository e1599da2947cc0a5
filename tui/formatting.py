"""Formatting for terminals: numbers with their units, text in cells, and the table of models.

Each unit has one function, with a dash for an unknown value. Some characters (Chinese, Japanese, Korean, emoji) take
two cells.
"""

import time
from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

from rich.cells import cell_len

from core.util.text import printable

if TYPE_CHECKING:  # loading it takes longer than all other imports of this module
    from core.inference.find_model import ModelChoice

DASH = "–"
LONGEST = 1e9
"""The longest plausible duration: 32 years."""


def loss(value: float | None) -> str:
    """``0.1714``; four significant digits when it is large."""
    if value is None or not isfinite(value):
        return DASH
    return f"{value:.4f}" if abs(value) < 100 else f"{value:.4g}"


def decimal(value: float | None, decimals: int) -> str:
    """``1,840.5``."""
    return DASH if value is None or not isfinite(value) or abs(value) >= 1e15 else f"{value:,.{decimals}f}"


def percent(fraction: float | None, decimals: int = 1) -> str:
    """0.71 → ``71.0%``."""
    return (
        DASH
        if fraction is None or not isfinite(fraction) or abs(fraction) >= 100
        else f"{fraction * 100:.{decimals}f}%"
    )


def clock(seconds: float) -> str:
    """``00:41``, ``2:03:09``, ``3 d 02:10``."""
    if not isfinite(seconds) or seconds > LONGEST:
        return DASH
    whole = max(0, round(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours:02d}:{minutes:02d}"
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes:02d}:{rest:02d}"


def local_time(seconds: float | None) -> time.struct_time | None:
    """A moment (Unix seconds) as local time; None where it is unknown or outside the calendar."""
    if seconds is None:
        return None
    try:
        return time.localtime(seconds)
    except (OverflowError, ValueError, OSError):
        return None


def gigabytes(count: float, total: float | None = None) -> str:
    """``1.9 GB``, or ``1.9/24 GB`` with the total."""
    size = decimal(count / 1e9, 1)
    return f"{size} GB" if total is None else f"{size}/{decimal(total / 1e9, 0)} GB"


def learning_rate(rate: float | None) -> str:
    """``1e-3``, ``2.5e-4``."""
    return DASH if rate is None or not isfinite(rate) else f"{rate:.1e}".replace(".0e", "e").replace("e-0", "e-")


def rate(clips_per_second: float) -> str:
    """``1,840 clips/s``, with a decimal below ten."""
    return f"{clips_per_second:,.0f} clips/s" if clips_per_second >= 10 else f"{clips_per_second:.1f} clips/s"


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
    """``text`` in at most ``width`` cells. A sentence that is too long loses its last words."""
    text = text.strip(JOINER)
    if cell_len(text) <= width:
        return text
    return f"{text[: whole_words(text, len(''.join(_within(characters(text), width - 1))))]}…" if width > 0 else ""


def whole_words(text: str, most: int) -> int:
    """Where to cut ``text`` after at most ``most`` characters: between two words, if it has several there."""
    if most >= len(text) or text[most].isspace():
        return len(text[:most].rstrip())
    space = text.rfind(" ", 0, most)
    return len(text[:space].rstrip()) if space > most // 2 else most


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
    if width is None or cell_len(text) <= width:
        return text
    end = ending(text, width)
    folder = end.find("/")
    return f"…{end[folder:]}" if 0 < folder < len(end) // 2 else end


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


HEADINGS = ("name", "model", "dataset", "genres", "test accuracy", "date", "")
NAME, NETWORK, DATASET, DATE = 0, 1, 2, 5
LONGEST_NAME, LONGEST_DATASET = 28, 16
ROOM_FOR_CAVEATS = 16


def model_table(choices: Sequence["ModelChoice"], width: int | None = None) -> list[str]:
    """The headings, then one line per model.

    Where the columns do not fit into ``width`` cells, the date is left out, then the network, then the dataset. What is
    wrong with a model comes last and is cut.
    """
    rows = [list(HEADINGS), *map(_cells, choices)]
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    columns = list(range(len(HEADINGS)))
    if width is not None:
        widths[NAME] = min(widths[NAME], LONGEST_NAME)
        widths[DATASET] = min(widths[DATASET], LONGEST_DATASET)
        widths[-1] = min(widths[-1], ROOM_FOR_CAVEATS)
        for column in (DATE, NETWORK, DATASET):
            if sum(widths[c] + 2 for c in columns) - 2 > width:
                columns.remove(column)
        widths[-1] = max(0, width - sum(widths[c] + 2 for c in columns[:-1]))
    for row in rows:
        row[-1] = beginning(row[-1], widths[-1])
    return ["  ".join(fitted(row[c], widths[c]) for c in columns).rstrip() for row in rows]


def model_details(choice: "ModelChoice") -> str:
    """Everything about one model, in one sentence that may be wrapped."""
    _, network, dataset, genres, accuracy, date, caveats = _cells(choice)
    facts = (network, dataset, f"{genres} genres", f"test accuracy {accuracy}", date, caveats)
    return " · ".join(fact for fact in facts if fact and fact != DASH)


def _cells(choice: "ModelChoice") -> list[str]:
    started = local_time(choice.date)
    accuracy = percent(choice.accuracy)
    if choice.interval is not None:
        accuracy += " ({:.0%}–{:.0%})".format(*choice.interval)
    return [
        printable(choice.name),
        printable(choice.network),
        printable(choice.dataset),
        DASH if choice.genres is None else str(choice.genres),
        accuracy,
        DASH if started is None else time.strftime("%Y-%m-%d", started),
        f"! {', '.join(choice.caveats)}" if choice.caveats else "",
    ]
