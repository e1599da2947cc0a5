"""The report on the test part: a table by genre, and what was taken for what."""

from collections.abc import Mapping

from textual.content import Content

from core.runs.events import TestFinished
from core.runs.state import RunState
from tui.figures import loss, percent
from tui.widgets.confusion_grid import Look, confusion_grid
from tui.widgets.genre_bars import confused_in_words

AVERAGES = ("macro avg", "weighted avg")


def report_lines(state: RunState, width: int, look: Look) -> list[Content]:
    """Precision, recall, F1 and support a genre, their averages, and the test's confusion matrix."""
    test = state.test
    if test is None:
        return [Content.styled("Comes with the test, after the last epoch.", "$text-muted")]
    return [
        *_summary(test),
        Content(""),
        *_table(test),
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


def _table(test: TestFinished) -> list[Content]:
    names = max(len(name) for name in (*test.genres, *AVERAGES))
    head = f"{'':<{names}}  precision  recall      F1  support"
    lines = [Content.styled(head, "$text-muted")]
    lines += [_row(genre, test.report.get(genre), names) for genre in test.genres]
    lines.append(Content.styled("─" * len(head), "$faint"))
    lines += [_row(name, test.report.get(name), names) for name in AVERAGES]
    return lines


def _row(name: str, figures: object, names: int) -> Content:
    if not isinstance(figures, Mapping):
        return Content.assemble(f"{name:<{names}}  ", ("–", "$text-muted"))
    precision, recall, f1 = (float(figures.get(key, 0.0)) for key in ("precision", "recall", "f1-score"))
    return Content(f"{name:<{names}}  {precision:9.2f}  {recall:6.2f}  {f1:6.2f}  {figures.get('support', 0):7.0f}")
