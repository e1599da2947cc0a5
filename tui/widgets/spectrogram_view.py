"""A spectrogram in the terminal: two bands per cell in colour, otherwise one shade character per cell."""

from collections.abc import Sequence

from textual.color import Color
from textual.content import Content

from tui.shell.base import BaseApp
from tui.shell.themes import Palette

SHADES = " ░▒▓█"
ASCII_SHADES = " .:-=+*#%@"
LEVELS = 16
"""Number of colours: fewer give longer runs of one colour and so fewer bytes on the link."""


class Image:
    """A spectrogram as levels 0 to 255, shaped [bands][columns], low bands first."""

    def __init__(self, bands: int, levels: bytes) -> None:
        self.bands = bands
        self.columns = len(levels) // bands if bands else 0
        self._levels = levels

    def scaled(self, width: int, height: int) -> list[list[int]]:
        """[height][width], high bands first: the maximum in each field, so that short sounds stay visible."""
        fields = []
        for y in reversed(range(height)):
            low, high = _span(y, height, self.bands)
            row = []
            for x in range(width):
                left, right = _span(x, width, self.columns)
                row.append(
                    max(max(self._levels[b * self.columns + left : b * self.columns + right]) for b in range(low, high))
                )
            fields.append(row)
        return fields


def shading_of(app: BaseApp) -> str:
    """The shading that suits this app's terminal."""
    if app.ascii:
        return "ascii"
    return "shades" if app.no_color or app.current_theme.ansi else "colour"


def spectrogram_lines(image: Image, width: int, height: int, palette: Palette, shading: str) -> list[Content]:
    """``height`` lines of ``width`` cells.

    Args:
        shading: ``colour``, ``shades`` (block characters), or ``ascii``.
    """
    if not image.columns:
        return []
    if shading == "colour":
        return _coloured(image.scaled(width, 2 * height), _ramp(palette))
    shades = ASCII_SHADES if shading == "ascii" else SHADES
    return [
        Content("".join(shades[level * len(shades) // 256] for level in row)) for row in image.scaled(width, height)
    ]


def _coloured(fields: Sequence[Sequence[int]], ramp: Sequence[str]) -> list[Content]:
    """Two fields per cell, upper and lower."""
    lines = []
    for upper, lower in zip(fields[::2], fields[1::2], strict=True):
        pairs = [(u * LEVELS // 256, v * LEVELS // 256) for u, v in zip(upper, lower, strict=True)]
        parts: list[tuple[str, str]] = []
        for u, v in pairs:
            style = f"{ramp[u]} on {ramp[v]}"
            if parts and parts[-1][1] == style:
                parts[-1] = (parts[-1][0] + "▀", style)
            else:
                parts.append(("▀", style))
        lines.append(Content.assemble(*parts))
    return lines


def _ramp(palette: Palette) -> list[str]:
    """Colours from lowest to highest level: the palette's heat, then brighter, so that peaks stand out."""
    cold, hot = (Color.parse(colour) for colour in palette.heat)
    peak = hot.lighten(0.25) if hot.brightness >= cold.brightness else hot.darken(0.15)
    steps = []
    for level in range(LEVELS):
        share = level / (LEVELS - 1)
        colour = cold.blend(hot, share / 0.75) if share < 0.75 else hot.blend(peak, (share - 0.75) / 0.25)
        steps.append(colour.hex6)
    return steps


def _span(place: int, places: int, of: int) -> tuple[int, int]:
    """Source range of one destination index: at least one element."""
    begin = place * of // places
    return begin, max(begin + 1, (place + 1) * of // places)
