"""What is wrong with an audio file, in words for its owner."""

import os
from pathlib import Path

from core.util.errors import UserError


def printable(path: str | os.PathLike[str]) -> str:
    """A path as text for people, events and JSON: bytes that are no UTF-8 and control characters are escaped."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


class AudioError(UserError):
    """A file that cannot be used as audio. ``reason`` says why without naming the file."""

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        super().__init__(f"{printable(Path(path))}: {reason}")
        self.reason = reason
