"""The tables of a comparison: the results of each run, and differences between their recipes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import nan

from rich.cells import cell_len
from textual.content import Content

from core.runs.journal.state import RunState
from core.runs.recipe_fields import differences, flat
from tui.charts.run_charts import LETTERS
from tui.text.cells import ending, fitted, widest
from tui.text.formatting import clock, loss, percent
from tui.widgets.text import STATUS_SYMBOLS

HEAD = "$text-muted"


@dataclass(frozen=True)
class Column:
    title: str
    width: int
    text: Callable[[RunState], str]
    rank: Callable[[RunState], float] | None = None
    """For the star: the higher the better, NaN where there is nothing to rank. None for no star."""


def _best(run: RunState, what: str) -> float:
    return float(getattr(run.best, what, nan))


def _test(run: RunState, what: str) -> float:
    return float(getattr(run.test, what, nan))


def _macro_f1(run: RunState) -> str:
    return f"{run.test.macro_f1:.3f}" if run.test else "–"


RESULTS = (
    Column("epochs", 9, lambda run: f"{run.epochs_done}/{run.epochs}"),
    Column("best val", 10, lambda run: percent(_best(run, "val_accuracy")), lambda run: _best(run, "val_accuracy")),
    Column("epoch", 6, lambda run: str(run.best.epoch) if run.best else "–"),
    Column("val loss", 10, lambda run: loss(_best(run, "val_loss")), lambda run: -_best(run, "val_loss")),
    Column("test", 10, lambda run: percent(_test(run, "accuracy")), lambda run: _test(run, "accuracy")),
    Column("macro F1", 10, _macro_f1, lambda run: _test(run, "macro_f1")),
    Column("time", 9, lambda run: clock(run.seconds(0.0))),
    Column("parameters", 13, lambda run: f"{run.parameters:,}" if run.parameters else "–"),
)
"""Dropped from the end where there is too little room."""


def result_lines(
    runs: Sequence[RunState], colours: Sequence[str], width: int, cursor: tuple[str, float] | None, *, train: bool
) -> list[Content]:
    """One line per run under a heading; the best value of a column has a star.

    Args:
        colours: colours of the runs' curves.
        cursor: unit (``epoch`` or ``step``) and position of the charts' cursor; the values there become columns.
        train: show training instead of validation values at the cursor.
    """
    columns = [*_at_cursor(*cursor, train=train), *RESULTS] if cursor else list(RESULTS)
    names = max(8, min(48, max(cell_len(run.name) for run in runs), width - 5 - sum(c.width for c in columns[:6])))
    while len(columns) > 1 and sum(column.width for column in columns) > width - 5 - names:
        columns.pop()
    winners = [_winners(column, runs) for column in columns]
    head = " " * (5 + names) + "".join(f"{column.title:>{column.width}}" for column in columns)
    lines = [Content.styled(head, HEAD)]
    for letter, colour, run in zip(LETTERS, colours, runs, strict=False):
        mark, style = STATUS_SYMBOLS[run.status]
        line = Content.assemble((letter, f"bold {colour}"), " ", (mark, style), f" {fitted(run.name, names)} ")
        for column, best in zip(columns, winners, strict=True):
            text = f"{'★ ' if run in best else ''}{column.text(run)}"
            line += Content.styled(f"{text:>{column.width}}", "bold" if run in best else "")
        lines.append(line)
    return lines


def difference_lines(runs: Sequence[RunState], colours: Sequence[str], width: int) -> list[Content]:
    """One line per field in which the recipes differ, one column per run."""
    rows = differences([flat(run.recipe) for run in runs])
    if not rows:
        return [Content.styled("The recipes are identical.", "$text-muted")]
    natural = 1 + max(widest(values) for _, values in rows)
    names = min(widest(name for name, _ in rows), max(12, width - natural * len(runs)))
    room = max(6, min(24, (width - names) // len(runs)))
    head = Content(" " * names)
    for letter, colour in zip(LETTERS[: len(runs)], colours, strict=False):
        head += Content.styled(f"{letter:>{room}}", f"bold {colour}")
    # The end of a name says more than its beginning.
    cut = (ending(name, names) for name, _ in rows)
    return [head, *(_difference(name, values, names, room) for name, (_, values) in zip(cut, rows, strict=True))]


def _difference(name: str, values: Sequence[str], names: int, room: int) -> Content:
    line = Content.styled(fitted(name, names), HEAD)
    for value in values:
        # The end of a path says more than its beginning.
        line += fitted(ending(value, room - 1), room, right=True)
    return line


def _at_cursor(unit: str, x: float, *, train: bool) -> list[Column]:
    """Columns with the values at the charts' cursor; dashes for a run that has not come that far."""

    def figure(run: RunState, what: str) -> float:
        if not run.history or x > getattr(run.history[-1], unit):
            return nan
        row = run.history[run.history.nearest(unit, x)]
        return float(getattr(row, f"{'train' if train else 'val'}_{what}"))

    return [
        Column(f"loss@{x:.0f}", 12, lambda run: loss(figure(run, "loss"))),
        Column(f"acc@{x:.0f}", 10, lambda run: percent(figure(run, "accuracy"))),
    ]


def _winners(column: Column, runs: Sequence[RunState]) -> list[RunState]:
    """The runs that are best in a column, of each dataset; none of those that are all equal."""
    best: list[RunState] = []
    for dataset in {run.dataset for run in runs} if column.rank is not None else ():
        of_one = [run for run in runs if run.dataset == dataset]
        ranks = {id(run): rank for run in of_one if (rank := column.rank(run)) == rank}  # type: ignore[misc]
        if len(set(ranks.values())) > 1:
            best += [run for run in of_one if ranks.get(id(run)) == max(ranks.values())]
    return best
