"""The models that can be chosen as a table: the same columns in the picker and on the command line."""

import time
from collections.abc import Sequence

from rich.cells import cell_len

from core.inference.find_model import ModelChoice
from core.util.text import printable
from tui.text.cells import fitted
from tui.text.formatting import DASH, local_time, percent

HEADINGS = ("name", "model", "dataset", "genres", "test accuracy", "date", "")
NAME, NETWORK, DATASET, DATE = 0, 1, 2, 5
LONGEST_NAME, LONGEST_DATASET = 28, 16
ROOM_FOR_CAVEATS = 16


def model_table(choices: Sequence[ModelChoice], width: int | None = None) -> list[str]:
    """The headings, then one line per model.

    Where the columns do not fit into ``width`` cells, the date is left out, then the network, then the dataset. What is
    wrong with a model comes last and is cut.
    """
    rows = [HEADINGS, *map(_cells, choices)]
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
    return ["  ".join(fitted(row[c], widths[c]) for c in columns).rstrip() for row in rows]


def model_details(choice: ModelChoice) -> str:
    """Everything about one model, in one sentence that may be wrapped."""
    _, network, dataset, genres, accuracy, date, caveats = _cells(choice)
    facts = (network, dataset, f"{genres} genres", f"test accuracy {accuracy}", date, caveats)
    return " · ".join(fact for fact in facts if fact and fact != DASH)


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
