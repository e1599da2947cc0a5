"""A screenshot as Textual exports it, redrawn so that it looks the same with any font.

The export relies on a web font and on a browser that stretches text; elsewhere columns drift apart and curves break.
Here every glyph has its own cell, and braille dots, blocks and rules are shapes.
"""

import re
from html import escape, unescape

CELL_WIDTH, CELL_HEIGHT, BASELINE = 12.2, 24.4, 18.5
_TEXT = re.compile(
    r'<text class="([^"]*)" x="([\d.]+)" y="([\d.]+)"[^>]*clip-path="[^"]*line[^"]*">(.*?)</text>', re.DOTALL
)
_BRAILLE_DOTS = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3))
"""Column and row of each of a braille character's dots, by bit."""
_BLOCKS = {
    **{chr(0x2580 + n): (0.0, 1 - n / 8, 1.0, n / 8) for n in range(1, 9)},
    **{chr(0x2588 + n): (0.0, 0.0, 1 - n / 8, 1.0) for n in range(1, 8)},
    "▀": (0.0, 0.0, 1.0, 0.5),
    "▐": (0.5, 0.0, 0.5, 1.0),
}
"""x, y, width and height as shares of the cell."""
_RULES = {"─": "lr", "│": "ud", "━": "LR", "╸": "L", "└": "ur", "┬": "lrd", "┤": "udl", "═": "LR"}
"""The arms of a rule: left, right, up, down; a capital is a heavy one."""


def redrawn(svg: str) -> str:
    """The same picture without fonts to fetch and without stretched text."""
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    svg = svg.replace("font-family: Fira Code, monospace", "font-family: DejaVu Sans Mono, Menlo, Consolas, monospace")
    return _TEXT.sub(lambda match: _run(match[1], float(match[2]), float(match[3]), unescape(match[4])), svg)


def _run(style: str, x: float, y: float, text: str) -> str:
    drawn = "".join(_shape(char, x + column * CELL_WIDTH, y - BASELINE) for column, char in enumerate(text))
    if drawn:
        drawn = f'<g class="{style}">{drawn}</g>'
    rest = "".join(" " if _shape(char, 0, 0) or char.isspace() else char for char in text)
    for word in re.finditer(r"\S+", rest):
        left, length = x + word.start() * CELL_WIDTH, len(word[0]) * CELL_WIDTH
        drawn += f'<text class="{style}" x="{left:.1f}" y="{y:g}" textLength="{length:.1f}">{escape(word[0])}</text>'
    return drawn


def _shape(char: str, left: float, top: float) -> str:
    if "\N{BRAILLE PATTERN BLANK}" <= char <= "\N{BRAILLE PATTERN DOTS-12345678}":
        return "".join(
            f'<circle cx="{left + (0.27 + 0.46 * column) * CELL_WIDTH:.1f}" '
            f'cy="{top + (0.125 + 0.25 * row) * CELL_HEIGHT:.1f}" r="1.7"/>'
            for bit, (column, row) in enumerate(_BRAILLE_DOTS)
            if ord(char) >> bit & 1
        )
    if char in _BLOCKS:
        x, y, width, height = _BLOCKS[char]
        return _rectangle(left + x * CELL_WIDTH, top + y * CELL_HEIGHT, width * CELL_WIDTH, height * CELL_HEIGHT)
    return "".join(_arm(arm, left, top) for arm in _RULES.get(char, ""))


def _arm(arm: str, left: float, top: float) -> str:
    across, down = left + CELL_WIDTH / 2, top + CELL_HEIGHT / 2
    thick = 3.0 if arm.isupper() else 1.6
    half = thick / 2
    match arm.lower():
        case "l":
            return _rectangle(left, down - half, CELL_WIDTH / 2 + half, thick)
        case "r":
            return _rectangle(across - half, down - half, CELL_WIDTH / 2 + half, thick)
        case "u":
            return _rectangle(across - half, top, thick, CELL_HEIGHT / 2 + half)
        case _:
            return _rectangle(across - half, down - half, thick, CELL_HEIGHT / 2 + half)


def _rectangle(x: float, y: float, width: float, height: float) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"/>'
