"""How well each genre is classified: accuracy bars, confusion matrix, and the report on the test part."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from textual.color import Color
from textual.content import Content

from core.runs.journal.events import TestFinished
from core.runs.journal.state import RunState
from tui.formatting import DASH, bar, fitted, loss, percent, widest
from tui.shell.themes import Palette

PAIRS = 5
"""Worst confusions listed below a matrix."""
FEWEST_BAR = 16
"""Cells that a bar keeps before long names get more than a third of the width."""


@dataclass(frozen=True)
class Confusion:
    """``count`` of ``total`` clips of ``genre`` were predicted as ``predicted``."""

    genre: str
    predicted: str
    count: int
    total: int


def worst_pairs(confusion: Sequence[Sequence[int]], genres: Sequence[str]) -> list[Confusion]:
    """The most frequent confusions by share of the genre's clips, at most `PAIRS`; rows are the true genres."""
    pairs = [
        Confusion(genre, genres[j], wrong, sum(row))
        for i, (genre, row) in enumerate(zip(genres, confusion, strict=True))
        for j, wrong in enumerate(row)
        if i != j and wrong
    ]
    return sorted(pairs, key=lambda pair: (-pair.count / pair.total, -pair.count))[:PAIRS]


def genre_bars(state: RunState, width: int, *, pairs: bool = True) -> list[Content]:
    """One accuracy bar per genre for the last validation and, with ``pairs``, the worst confusions."""
    seen = state.validation
    if seen is None or not seen.genre_accuracy:
        missing = "Available after the first validation." if seen is None else "The journal has no results per genre."
        return [Content.styled(missing, "$text-muted")]
    figures = len("  100% ") + widest(f"{sum(row):>3}/{sum(row)}" for row in seen.confusion)
    names = min(widest(state.genres), max(8, width // 3, width - figures - FEWEST_BAR))
    bar_width = max(4, width - names - figures)
    lines = []
    for index, (genre, accuracy) in enumerate(zip(state.genres, seen.genre_accuracy, strict=False)):
        row = seen.confusion[index] if index < len(seen.confusion) else []
        lines.append(_bar(genre, accuracy, sum(row), row[index] if index < len(row) else 0, names, bar_width))
    if pairs and seen.confusion:
        lines += [Content(""), *worst_pair_lines(seen.confusion, state.genres)]
    return lines


def worst_pair_lines(confusion: Sequence[Sequence[int]], genres: Sequence[str]) -> list[Content]:
    """``4 of 10 rock predicted as country``"""
    pairs = worst_pairs(confusion, genres)
    if not pairs:
        return [Content.styled("No clip was predicted as another genre.", "$good")]
    return [
        Content.assemble(
            (f"{pair.count} of {pair.total} ", "bold"), pair.genre, (" predicted as ", "$text-muted"), pair.predicted
        )
        for pair in pairs
    ]


def _bar(genre: str, accuracy: float | None, total: int, right: int, names: int, width: int) -> Content:
    name = fitted(genre, names)
    if accuracy is None or accuracy != accuracy:
        return Content.assemble(f"{name} ", (f"{DASH} no clips in the validation part", "$text-muted"))
    return Content.assemble(
        f"{name} ",
        (f"{bar(accuracy, width):<{width}}", "$val"),
        f" {accuracy * 100:3.0f}% ",
        (f"{right:>3}/{total}" if total else "", "$text-muted"),
    )


SHADES = " ░▒▓█"
"""Characters beside a count where there is no colour to shade with."""
ASCII_SHADES = " .:+#"


class Shading(NamedTuple):
    """How the cells of a matrix are shaded."""

    empty: str
    """Background of a cell with none of its row's clips, ``#rrggbb``."""
    right: str
    """Background of a cell on the diagonal with all of its row's clips."""
    wrong: str
    """The same off the diagonal."""
    colour: bool = True
    """If false, a character beside the count is the shade, instead of a background."""
    ascii_only: bool = False

    @classmethod
    def of(cls, palette: Palette, *, colour: bool = True, ascii_only: bool = False) -> "Shading":
        return cls(palette.heat[0], palette.right, palette.wrong, colour, ascii_only)


def matrix_cell(number: int, share: float, width: int, diagonal: bool, shading: Shading) -> Content:
    """A count, shaded by its share of the row."""
    text = str(number) if number or diagonal else "·"
    if not shading.colour:
        shades = ASCII_SHADES if shading.ascii_only else SHADES
        shade = shades[min(len(shades) - 1, round(share * (len(shades) - 1) + 0.3))] if number else " "
        return Content(f"{text + shade:>{width}}")
    if not number:
        return Content.styled(f"{text:>{width - 1}} ", "" if diagonal else "$faint")
    # Even a single clip must be distinguishable from none.
    background = Color.parse(shading.empty).blend(
        Color.parse(shading.right if diagonal else shading.wrong), 0.15 + 0.85 * share
    )
    ink = background.get_contrast_text(1.0).hex6
    weight = "bold " if diagonal else ""
    return Content.styled(f"{text:>{width - 1}} ", f"{weight}{ink} on {background.hex6}")


AVERAGES = ("macro avg", "weighted avg")
COLUMNS = {"precision": 9, "recall": 6, "F1": 6, "support": 7}
"""Title → cells."""


def report_lines(state: RunState, width: int) -> list[Content]:
    """Precision, recall, F1 and support per genre, their averages, and the worst confusions of the test part."""
    test = state.test
    if test is None:
        return [Content.styled("Available after the test, which follows the last epoch.", "$text-muted")]
    return [
        *_summary(test),
        Content(""),
        *_table(test, width),
        Content(""),
        *worst_pair_lines(test.confusion, test.genres),
    ]


def _summary(test: TestFinished) -> list[Content]:
    calibration = "" if test.calibration_error is None else f" · calibration error {percent(test.calibration_error)}"
    return [
        Content.assemble("test accuracy ", (percent(test.accuracy), "bold"), f" · model of epoch {test.best_epoch}"),
        Content(f"loss {loss(test.loss)}{calibration}"),
    ]


def _table(test: TestFinished, width: int) -> list[Content]:
    longest = widest((*test.genres, *AVERAGES))
    figures = sum(COLUMNS.values())
    gap = 2 if longest + figures + 2 * len(COLUMNS) <= width else 1
    names = max(4, min(longest, width - figures - gap * len(COLUMNS)))

    def label(name: str) -> str:
        return fitted(name, names)

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
