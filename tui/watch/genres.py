"""How well each genre is known: bars, and in words what is taken for what."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from textual.color import Color
from textual.content import Content

from core.runs.journal.events import TestFinished
from core.runs.journal.state import RunState, Validation
from tui.text.formatting import DASH, loss, percent

PAIRS = 5
"""Worst confusions that are put into words."""


@dataclass(frozen=True)
class Confusion:
    """``count`` of ``total`` clips of ``genre`` were taken for ``taken_for``."""

    genre: str
    taken_for: str
    count: int
    total: int


def worst_pairs(confusion: Sequence[Sequence[int]], genres: Sequence[str], at_most: int = PAIRS) -> list[Confusion]:
    """The most frequent confusions, by the share of the genre's clips; rows are the truth."""
    pairs = [
        Confusion(genre, genres[j], wrong, sum(row))
        for i, (genre, row) in enumerate(zip(genres, confusion, strict=True))
        for j, wrong in enumerate(row)
        if i != j and wrong
    ]
    return sorted(pairs, key=lambda pair: (-pair.count / pair.total, -pair.count))[:at_most]


def genre_bars(state: RunState, width: int) -> list[Content]:
    """A bar a genre for the last validation, and the worst confusions."""
    seen = state.validation
    if seen is None or not seen.genre_accuracy:
        return [Content.styled("Comes with the first validation.", "$text-muted")]
    names = min(max(map(len, state.genres), default=0), max(8, width // 3))
    bar = max(4, min(50, width - names - 18))
    lines = []
    for index, (genre, accuracy) in enumerate(zip(state.genres, seen.genre_accuracy, strict=False)):
        row = seen.confusion[index] if index < len(seen.confusion) else []
        lines.append(_bar(genre, accuracy, sum(row), row[index] if index < len(row) else 0, names, bar))
    return [*lines, Content(""), *validation_in_words(seen, state.genres)]


def validation_in_words(seen: Validation, genres: Sequence[str]) -> list[Content]:
    """What was confused, and when that was."""
    words = confused_in_words(seen.confusion, genres) if seen.confusion else []
    return [*words, Content.styled(f"validation of epoch {seen.epoch}", "$text-muted")]


def confused_in_words(confusion: Sequence[Sequence[int]], genres: Sequence[str]) -> list[Content]:
    """``4 of 10 rock clips were taken for country``"""
    pairs = worst_pairs(confusion, genres)
    if not pairs:
        return [Content.styled("No genre was taken for another.", "$good")]
    return [
        Content.assemble(
            (f"{pair.count} of {pair.total} ", "bold"), pair.genre, (" taken for ", "$text-muted"), pair.taken_for
        )
        for pair in pairs
    ]


def _bar(genre: str, accuracy: float | None, total: int, right: int, names: int, width: int) -> Content:
    name = genre if len(genre) <= names else genre[: names - 1] + "…"
    if accuracy is None or accuracy != accuracy:
        return Content.assemble(f"{name:<{names}} ", (f"{DASH} no clips in validation", "$text-muted"))
    whole, half = divmod(round(accuracy * width * 2), 2)
    return Content.assemble(
        f"{name:<{names}} ",
        (f"{'━' * whole + '╸' * half:<{width}}", "$val"),
        f" {accuracy * 100:3.0f}% ",
        (f"{right:>3}/{total}" if total else "", "$text-muted"),
    )


SHADES = " ░▒▓█"
"""What stands beside a count where there is no colour to shade with."""
ASCII_SHADES = " .:+#"


class Shading(NamedTuple):
    """How cells are shaded."""

    heat: tuple[str, str]
    """Background of a cell with nothing and with all of its row's clips, ``#rrggbb``."""
    colour: bool = True
    """False shades with a character beside the count instead of a background."""
    ascii_only: bool = False


def confusion_grid(
    confusion: Sequence[Sequence[int]], genres: Sequence[str], width: int, look: Shading
) -> list[Content]:
    """Rows are the truth, columns the prediction, shaded by the share of the row.

    The columns are headed by as much of the genres' names as fits; with many genres the grid is wider than ``width``.
    """
    if not confusion:
        return [Content.styled("Comes with the first validation.", "$text-muted")]
    names = max(map(len, genres))
    digits = max(len(str(cell)) for row in confusion for cell in row)
    least = digits + 1 + (not look.colour)
    cell = max(least, min(7, (width - names - 1) // max(1, len(genres))))
    if cell * len(genres) + names + 1 > width:
        names = min(names, max(6, width - 1 - least * len(genres)))
        cell = max(least, (width - names - 1) // max(1, len(genres)))
    head = "".join(_heading(genre, genres, cell) for genre in genres)
    lines = [Content.assemble(" " * (names + 1), (head, "$text-muted"))]
    for truth, row in enumerate(confusion):
        line = Content(f"{genres[truth][:names]:<{names}} ")
        total = sum(row)
        for prediction, number in enumerate(row):
            line += _cell(number, number / total if total else 0.0, cell, truth == prediction, look)
        lines.append(line)
    return lines


def _heading(genre: str, genres: Sequence[str], cell: int) -> str:
    """The genre's name cut to its column, so that no two columns are headed alike where that can be had."""
    room = max(1, cell - 1)
    cut = genre[:room]
    if room >= 2 and sum(other[:room] == cut for other in genres) > 1:
        cut = cut[: room - 1] + genre[-1]
    return f"{cut:>{cell}}"


def _cell(number: int, share: float, width: int, diagonal: bool, look: Shading) -> Content:
    text = str(number) if number or diagonal else "·"
    if not look.colour:
        shades = ASCII_SHADES if look.ascii_only else SHADES
        shade = shades[min(len(shades) - 1, round(share * (len(shades) - 1) + 0.3))] if number else " "
        return Content(f"{text + shade:>{width}}")
    if not number:
        return Content.styled(f"{text:>{width - 1}} ", "" if diagonal else "$faint")
    # A little shade for a single clip: it must be told from none.
    background = Color.parse(look.heat[0]).blend(Color.parse(look.heat[1]), 0.15 + 0.85 * share)
    ink = background.get_contrast_text(1.0).hex6
    weight = "bold " if diagonal else ""
    return Content.styled(f"{text:>{width - 1}} ", f"{weight}{ink} on {background.hex6}")


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
