"""A bar for each genre, the likeliest first."""

from collections.abc import Mapping

from textual.content import Content

TEXT_CELLS = 10
"""Beside the name and the bar: the figure and the spaces around it."""


def probability_bars(probabilities: Mapping[str, float], width: int, rows: int, *, sure: bool = True) -> list[Content]:
    """At most ``rows`` lines of ``width`` cells; the first is drawn in the strong colour unless the verdict is unsure.

    Genres keep a column of their own, so that bars stay comparable from one sound to the next.
    """
    ranked = sorted(probabilities.items(), key=lambda item: -item[1])[:rows]
    names = min(max((len(genre) for genre in probabilities), default=0), max(6, width // 3))
    bar = max(4, min(60, width - names - TEXT_CELLS))
    lines = []
    for place, (genre, probability) in enumerate(ranked):
        name = genre if len(genre) <= names else genre[: names - 1] + "…"
        whole, half = divmod(round(probability * bar * 2), 2)
        strong = place == 0 and sure
        lines.append(
            Content.assemble(
                (f"{name:<{names}} ", "bold" if strong else ""),
                (f"{'━' * whole + '╸' * half:<{bar}}", "$val" if strong else "$train"),
                (f" {probability * 100:5.1f}%", "bold" if strong else ""),
            )
        )
    return lines
