"""``--ascii``: every glyph that leaves for the terminal is ASCII, whatever a widget drew.

Widgets draw with Unicode and need not know; those that look poor in translation (charts) ask ``app.ascii`` and draw
otherwise. A glyph that is not in the table and occupies one cell becomes ``?``, so a row never changes its width.
"""

import unicodedata
from functools import lru_cache

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

_TABLE = {
    "-": "─━═╌┄┈╍╴╶╸╺╼╾–—−‐‑",
    "|": "│┃║╎┆┊▏▕▎▍▌▐❘",
    "+": "┌┐└┘├┤┬┴┼╭╮╰╯┏┓┗┛┣┫┳┻╋╔╗╚╝╠╣╦╩╬✚±",
    "#": "█▇▆▅▉▊▋▓▀▄■▮▰⬛",
    "=": "▃▂",
    "_": "▁",
    ":": "▒⋮",
    ".": "░·․∙⋅▪▫□▯▱○◌◦",
    "*": "★✱⋆✦✓✔☑◆×✕",
    "o": "●•⬤◉◍◎",
    "x": "✗✘☒",
    "^": "▲△↑⌃▴▵⇧",
    "v": "▼▽↓⌄▾▿⇩",
    ">": "▶▸►→›»❯⏵⇥",
    "<": "◀◂◄←‹«❮⏴",
    '"': "“”„",
    "'": "‘’′",
    "~": "≈∼…",
}
_GLYPHS = {ord(glyph): plain for plain, glyphs in _TABLE.items() for glyph in glyphs}
_QUADRANTS = dict.fromkeys(range(9622, 9632), "#")
_BRAILLE = {code: "." if code > 0x2800 else " " for code in range(0x2800, 0x2900)}
_TRANSLATION = _GLYPHS | _QUADRANTS | _BRAILLE


@lru_cache(4096)
def to_ascii(text: str) -> str:
    """``text`` in ASCII, as many cells wide as before."""
    if text.isascii():
        return text
    return "".join(_one(char) for char in text.translate(_TRANSLATION))


def _one(char: str) -> str:
    if char.isascii():
        return char
    base = unicodedata.normalize("NFKD", char)[0]
    width = cell_len(char)
    return base if width == 1 and base.isascii() else "?" * width


class AsciiFilter(LineFilter):
    """The last stop of every line on its way to the terminal."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [Segment(to_ascii(text), style, control) for text, style, control in segments]
