"""Filters that every line passes before the terminal: unsafe characters are dropped; ``--ascii`` translates the rest.

Widgets draw whatever names, tags and journals contain. With ``--ascii`` they may still draw Unicode; widgets that look
poor in translation (charts) ask ``app.ascii`` and draw differently. No filter changes the width of a row: a glyph
without a translation becomes one ``?`` per cell.
"""

import unicodedata
from functools import lru_cache

import textual.content
from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from core.util.text import UNSAFE

# Content drops five control characters of its text, but not from the lengths of its styles: a genre with a carriage
# return in its name would end the app. `SafeFilter` drops all of them, later.
setattr(textual.content, "_strip_control_codes", str)  # noqa: B010 - the module's own name

_TABLE = {
    "-": "─━═╌┄┈╍╴╶╸╺╼╾–—−‐‑",
    "|": "│┃║╎┆┊▏▕▎▍▌▐❘",
    "+": "┌┐└┘├┤┬┴┼╭╮╰╯┏┓┗┛┣┫┳┻╋╔╗╚╝╠╣╦╩╬✚±",
    "#": "█▇▆▅▉▊▋▓▀▄■▮▰⬛",
    "=": "▃▂",
    "_": "▁",
    ":": "▒⋮",
    ".": "░·․∙⋅▪▫□▯▱○◌◦",
    "*": "★✱⋆✦◆",
    "o": "●•⬤◉◍◎",
    "x": "✗✘☒×✕",
    "^": "▲△↑⌃▴▵⇧",
    "v": "▼▽↓⌄▾▿⇩✓✔☑",
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


@lru_cache(4096)
def safe(text: str) -> str:
    """``text`` without characters that a terminal obeys, as many cells wide as before.

    They take no cells, so they go; only halves of surrogate pairs, which cannot be encoded, are laid out with one.
    """
    if text.isascii() and text.isprintable():
        return text
    return UNSAFE.sub(lambda match: "\ufffd" * cell_len(match[0]), text)


class SafeFilter(LineFilter):
    """Lets no escape sequence, control character or bidirectional override of any text reach the terminal."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [Segment(text if control else safe(text), style, control) for text, style, control in segments]


class AsciiFilter(LineFilter):
    """Translates every glyph into ASCII."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [Segment(to_ascii(text), style, control) for text, style, control in segments]
