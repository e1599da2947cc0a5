"""The report on the test part: a table by genre, and what was taken for what."""

from collections.abc import Iterable, Mapping

from textual.content import Content

from core.runs.journal.events import TestFinished
from core.runs.journal.state import RunState
from tui.text.numbers import loss, percent
from tui.watch.genre_bars import confused_in_words
from tui.widgets.confusion_grid import Shading, confusion_grid

AVERAGES = ("macro avg", "weighted avg")
COLUMNS = {"precision": 9, "recall": 6, "F1": 6, "support": 7}
"""And the cells that each takes."""


def report_lines(state: RunState, width: int, look: Shading) -> list[Content]:
    """Precision, recall, F1 and support a genre, their averages, and the test's confusion matrix."""
    test = state.test
    if test is None:
        return [Content.styled("Comes with the test, after the last epoch.", "$text-muted")]
    return [
        *_summary(test),
        Content(""),
        *_table(test, width),
        Content(""),
        *confusion_grid(test.confusion, test.genres, width, look),
        Content(""),
        *confused_in_words(test.confusion, test.genres),
    ]


def _summary(test: TestFinished) -> list[Content]:
    calibration = "" if test.calibration_error is None else f" · calibration error {percent(test.calibration_error)}"
    return [
        Content.assemble("test accuracy ", (percent(test.accuracy), "bold"), f" · model of epoch {test.best_epoch}"),
        Content(f"loss {loss(test.loss)}{calibration}"),
    ]


def _table(test: TestFinished, width: int) -> list[Content]:
    longest = max(len(name) for name in (*test.genres, *AVERAGES))
    figures = sum(COLUMNS.values())
    gap = 2 if longest + figures + 2 * len(COLUMNS) <= width else 1
    names = max(4, min(longest, width - figures - gap * len(COLUMNS)))

    def label(name: str) -> str:
        return f"{name:<{names}}" if len(name) <= names else name[: names - 1] + "…"

    def line(name: str, cells: Iterable[str]) -> str:
        columns = [f"{cell:>{gap + size}}" for cell, size in zip(cells, COLUMNS.values(), strict=True)]
        return label(name) + "".join(columns)

    def row(name: str) -> Content:
        found = test.report.get(name)
        if not isinstance(found, Mapping):
            return Content.assemble(f"{label(name)}  ", ("–", "$text-muted"))
        shares = [f"{float(found.get(key, 0.0)):.2f}" for key in ("precision", "recall", "f1-score")]
        return Content(line(name, [*shares, f"{found.get('support', 0):.0f}"]))

    head = line("", COLUMNS)
    return [
        Content.styled(head, "$text-muted"),
        *map(row, test.genres),
        Content.styled("─" * len(head), "$faint"),
        *map(row, AVERAGES),
    ]
