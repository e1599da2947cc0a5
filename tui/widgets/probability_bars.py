"""One bar per genre, the most likely first."""

from collections.abc import Mapping

from textual.content import Content

from tui.text.cells import bar, fitted, widest

TEXT_CELLS = 9
"""Cells beside the name and the bar: the percentage and the spaces around it."""


def probability_bars(probabilities: Mapping[str, float], width: int, rows: int, *, sure: bool = True) -> list[Content]:
    """At most ``rows`` lines of ``width`` cells; the first has the accent colour if the decision is confident.

    Names have a column of fixed width, so that bars stay comparable from one sound to the next.
    """
    ranked = sorted(probabilities.items(), key=lambda item: -item[1])[:rows]
    names = min(widest(probabilities), max(6, width // 3))
    bar_width = max(4, width - names - TEXT_CELLS)
    lines = []
    for place, (genre, probability) in enumerate(ranked):
        strong = place == 0 and sure
        lines.append(
            Content.assemble(
                (f"{fitted(genre, names)} ", "bold" if strong else ""),
                (f"{bar(probability, bar_width):<{bar_width}}", "$accent" if strong else "$faint"),
                (f" {probability * 100:5.1f}%", "bold" if strong else ""),
            )
        )
    return lines
