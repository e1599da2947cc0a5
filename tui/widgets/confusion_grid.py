"""A confusion matrix as a shaded grid of counts."""

from collections.abc import Sequence
from typing import NamedTuple

from textual.color import Color
from textual.content import Content

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
