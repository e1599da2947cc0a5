"""The models that can be chosen as a table: the same columns in the picker and on the command line."""

import time
from collections.abc import Sequence

from rich.cells import cell_len

from core.inference.find_model import ModelChoice
from core.util.text import printable
from tui.text.cells import fitted
from tui.text.formatting import DASH, local_time, percent

HEADINGS = ("name", "model", "dataset", "genres", "test accuracy", "date", "")
LONGEST_NAME, LONGEST_DATASET = 28, 16
SHORTEST_NAME = 10


def model_table(choices: Sequence[ModelChoice], width: int | None = None) -> list[str]:
    """The headings, then one line per model. Names are cut where the columns do not fit into ``width`` cells."""
    rows = [HEADINGS, *map(_cells, choices)]
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    widths[2] = min(widths[2], LONGEST_DATASET)
    if width is not None:
        # The caveats come last and may be cut; without the other columns there is nothing to choose by.
        room = width - sum(widths[1:-1]) - 2 * (len(widths) - 2)
        widths[0] = max(SHORTEST_NAME, min(widths[0], LONGEST_NAME, room))
    return ["  ".join(fitted(cell, size) for cell, size in zip(row, widths, strict=True)).rstrip() for row in rows]


def _cells(choice: ModelChoice) -> tuple[str, ...]:
    started = local_time(choice.date)
    accuracy = percent(choice.accuracy)
    if choice.interval is not None:
        accuracy += " ({:.0%}–{:.0%})".format(*choice.interval)
    return (
        printable(choice.name),
        printable(choice.network),
        printable(choice.dataset),
        DASH if choice.genres is None else str(choice.genres),
        accuracy,
        DASH if started is None else time.strftime("%Y-%m-%d", started),
        f"! {', '.join(choice.caveats)}" if choice.caveats else "",
    )
