"""The error for a file that cannot be used as audio."""

import os

from core.util.errors import UserError
from core.util.text import printable


class AudioError(UserError):
    """A file that cannot be used as audio. ``reason`` says why without naming the file."""

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        super().__init__(f"{printable(path)}: {reason}")
        self.reason = reason
