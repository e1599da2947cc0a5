"""How well each genre is known: bars, and in words what is taken for what."""

from collections.abc import Sequence
from dataclasses import dataclass

from textual.content import Content

from core.runs.journal.state import RunState, Validation
from tui.text.numbers import DASH

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
        f" {accuracy * 100:3.0f} % ",
        (f"{right:>3}/{total}" if total else "", "$text-muted"),
    )
