"""Making untrusted text safe to display (names, tags, journals, errors), counts with nouns, and field docs."""

import os
import re
import unicodedata
from functools import cache

UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # C0 controls with ESC, newline and tab; DEL; C1 controls, of which U+009B opens a sequence
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks, embeddings, overrides and isolates of text direction
    "\u180e\u200b\u2028\u2029\u2060-\u2065\u206a-\u206f\ufeff\ufff9-\ufffb"  # line separators, invisible formats
    "\ud800-\udfff]"  # halves of surrogate pairs: bytes of file names that are not UTF-8
)
INVISIBLE = ("Mn", "Mc", "Me", "Cf")
"""Categories of characters that take no cell: marks above and below, and formats."""
_UNSAFE_BUT_NEWLINE = re.compile(rf"(?!\n){UNSAFE.pattern}")


def printable(text: str | os.PathLike[str]) -> str:
    r"""Untrusted text as one line that is safe on a terminal: control characters become ``\n``, ``\x1b``, ``\u202e``.

    Bytes of a file name that are not UTF-8 become ``\xNN``. Letters of every script, emoji and spaces stay.
    """
    return UNSAFE.sub(_escape, str(text))


def printable_lines(text: str) -> str:
    """As `printable`, for text of several lines, such as a traceback or a table: newlines stay, tabs become spaces."""
    return _UNSAFE_BUT_NEWLINE.sub(_escape, text.replace("\r\n", "\n").expandtabs())


def cells(text: str) -> int:
    """Cells of ``text`` on a terminal: two for wide characters (Unicode Annex 11), none for combining marks."""
    kinds = ((unicodedata.category(char), unicodedata.east_asian_width(char)) for char in text)
    return sum(0 if category in INVISIBLE else 2 if width in "WF" else 1 for category, width in kinds)


def left_aligned(text: str, width: int) -> str:
    """``text`` with spaces after it, up to ``width`` cells."""
    return text + " " * max(0, width - cells(text))


def counted(number: int, noun: str) -> str:
    """``1 row``, ``1,200 rows``, ``3 batches``."""
    ending = "" if number == 1 else "es" if noun.endswith(("tch", "s", "x")) else "s"
    return f"{number:,} {noun}{ending}"


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:  # Python's stand-in for a byte that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return match[0].encode("unicode_escape").decode("ascii")


@cache
def field_docs(kind: type[object]) -> dict[str, str]:
    """Field → the string below it, from the source of the class; fields without one are left out."""
    import ast  # neither is needed for --help
    import inspect

    docs = {}
    (source,) = ast.parse(inspect.getsource(kind)).body
    assert isinstance(source, ast.ClassDef)
    for field, text in zip(source.body, source.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
        ):
            docs[field.target.id] = str(text.value.value)
    return docs
