"""A clip of a dataset, and a file that was left out of it."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from core.util.errors import UserError

OnNote = Callable[[str], None]
"""Called with what a user should know about a dataset, one sentence at a time."""


@dataclass(frozen=True)
class Clip:
    """A usable recording and what is known about it.

    ``name`` is its file name without the suffix (``blues.00000``); ``content`` is a hash
    of the file (of the spectrogram, in a feature pack), by which the feature store finds it. Texts are fit for people
    and JSON: whatever cannot be printed in a file name is escaped in them, never in ``path``.
    """

    path: Path
    genre: str
    name: str
    content: str
    rate: int
    channels: int
    format: str
    duration_s: float
    columns: dict[str, str] = field(default_factory=dict)
    """What the dataset's index says of it."""
    silent_s: tuple[float, float] = (0.0, 0.0)
    """Seconds of silence at its beginning and at its end."""
    start_s: float = 0.0
    """Where its excerpt begins; see `core.dataset.excerpts`."""

    @property
    def key(self) -> str:
        """By which the feature store finds its excerpt: 32 hexadecimal digits."""
        if self.start_s == 0:
            return self.content
        return hashlib.blake2b(f"{self.content} {self.start_s:.1f}".encode(), digest_size=16).hexdigest()

    @property
    def group(self) -> str | None:
        """The recording that this clip is one of several copies of, where the index names it."""
        return self.columns.get("exact_duplicate_group") or None


@dataclass(frozen=True)
class Excluded:
    """A file that was left out, and why. ``path`` is text for people; ``genre`` is empty where it is not known."""

    path: str
    reason: str
    genre: str = ""


class DatasetError(UserError):
    """A dataset that cannot be trained on, in one sentence that says what to do."""
