"""A spectrogram in the terminal: pixels, two bands per cell in colour, or one shade character per cell."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import lru_cache

from textual.color import Color
from textual.content import Content

from tui.formatting import clock
from tui.shell.base import BaseApp
from tui.shell.graphics import NUMBERS
from tui.shell.themes import Palette

SHADES = " ░▒▓█"
ASCII_SHADES = " .:-=+*#%@"
HZ_CELLS = 4
"""Of the frequencies on the left: ``11k ``."""
LEAST_CELLS, LEAST_ROWS = 24, 5
"""Smallest size with axes."""
TICK_ROWS, TICK_CELLS = 2, 12
"""At least, between two ticks."""
ROUND_HZ = (16_000, 8_000, 4_000, 2_000, 1_000, 500, 250, 125)
ROUND_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)
PIXEL_COLUMNS, PIXEL_LEVELS = 4, 32
"""Of a picture in pixels: columns in a cell, and colours. More would be more bytes, and hardly more to see."""
MOST_CELLS = len(NUMBERS)
"""Of a picture in pixels, in a row or column."""
LEVELS = 16
"""Number of colours: fewer give longer runs of one colour and so fewer bytes on the link."""


class Image:
    """A spectrogram as levels 0 to 255, shaped [bands][columns], low bands first."""

    def __init__(self, bands: int, levels: bytes, hz: Sequence[float] = (), seconds: float = 0.0) -> None:
        """
        Args:
            hz: the frequency of each band, for the axis.
            seconds: the length, for the axis.
        """
        self.bands = bands
        self.hz = hz
        self.seconds = seconds
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
        return _coloured(image.scaled(width, 2 * height), palette.spectrogram)
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


def picture_lines(app: BaseApp, place: str, image: Image, width: int, height: int) -> list[Content]:
    """As `spectrogram_lines`, in pixels where the terminal draws them.

    Args:
        place: names the place on the app's screens, which has one picture at a time.
    """
    shading, pictures = shading_of(app), app.pictures
    if shading != "colour" or not pictures.on or not image.columns or max(width, height) > MOST_CELLS:
        return spectrogram_lines(image, width, height, app.palette, shading)
    fields = image.scaled(min(image.columns, PIXEL_COLUMNS * width), image.bands)
    levels = [[level * PIXEL_LEVELS // 256 for level in row] for row in fields]
    lines = pictures.draw(place, levels, _graded(app.palette.spectrogram[:LEVELS]), width, height)
    style = "rgb({},{},{})".format(*pictures.colour(place))
    return [Content.styled(line, style) for line in lines]


@lru_cache(4)
def _graded(ramp: tuple[str, ...]) -> tuple[str, ...]:
    """`PIXEL_LEVELS` colours along a ramp."""
    colours = [Color.parse(colour) for colour in ramp]
    places = [number * (len(ramp) - 1) / (PIXEL_LEVELS - 1) for number in range(PIXEL_LEVELS)]
    return tuple(
        colours[int(at)].blend(colours[min(int(at) + 1, len(ramp) - 1)], at - int(at)).hex.lower() for at in places
    )


def spectrogram_with_axes(
    image: Image,
    width: int,
    height: int,
    palette: Palette,
    shading: str,
    draw: Callable[[int, int], list[Content]] | None = None,
) -> list[Content]:
    """The same in ``width`` by ``height`` cells with Hz on the left and seconds below, as far as they are known.

    Args:
        draw: makes the lines of a width and height, in place of `spectrogram_lines`.
    """
    left, below = cells_left_of(image, width, height), int(_is_roomy(width, height) and image.seconds > 0)
    inner = width - left, height - below
    lines = draw(*inner) if draw is not None else spectrogram_lines(image, *inner, palette, shading)
    if not lines:
        return []
    if left:
        labels = [Content.styled(f"{label:>{left - 1}} ", "$text-muted") for label in hz_labels(image.hz, len(lines))]
        lines = [label + line for label, line in zip(labels, lines, strict=True)]
    unit = f"{'Hz' if left else '':>{max(0, left - 1)}}{' ' * bool(left)}"
    seconds = [Content.styled(unit + seconds_axis(image.seconds, width - left), "$text-muted")] if below else []
    return [*lines, *seconds]


def cells_left_of(image: Image, width: int, height: int) -> int:
    """Cells that the frequencies take in ``width`` by ``height`` cells; what is below starts there, too."""
    return HZ_CELLS * (_is_roomy(width, height) and bool(image.hz))


def _is_roomy(width: int, height: int) -> bool:
    return width >= LEAST_CELLS and height >= LEAST_ROWS


def hz_labels(hz: Sequence[float], rows: int) -> list[str]:
    """Round frequencies beside the rows that contain them, high to low, such as ``4k``; other rows are empty."""
    labels = [""] * rows
    last = -TICK_ROWS
    for tick in ROUND_HZ:
        if not hz[0] <= tick <= hz[-1]:
            continue
        row = rows - 1 - (bisect_right(hz, tick) - 1) * rows // len(hz)
        if row - last >= TICK_ROWS:
            labels[row] = _hertz(tick)
            last = row
    return labels


def _hertz(hz: float) -> str:
    """At most three characters: ``820``, ``4k``, ``11k``."""
    return f"{hz:.0f}" if hz < 999.5 else f"{hz / 1000:.0f}k"


def seconds_axis(seconds: float, width: int) -> str:
    """``width`` cells with times at round distances: ``0       10      20      30 s``."""
    step = next((step for step in ROUND_SECONDS if width * step / seconds >= TICK_CELLS), ROUND_SECONDS[-1])
    line = ""
    for number in range(int(seconds / step) + 1):
        at = round(number * step / seconds * width)
        label = f"{number * step}" if seconds < 100 else clock(number * step)
        if at + len(label) <= width and at >= len(line):
            line += " " * (at - len(line)) + label
    return line + (" s" if seconds < 100 and len(line) + 2 <= width else "")


def _span(place: int, places: int, of: int) -> tuple[int, int]:
    """Source range of one destination index: at least one element."""
    begin = place * of // places
    return begin, max(begin + 1, (place + 1) * of // places)
