"""A clip of a dataset, its excerpts, and a file that was left out. Imports no torch.

Excerpts are the parts of a file that are used: one or more of the front end's length.
"""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

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
    """Where its excerpt begins; see `excerpts_of`."""

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


ExcerptRule = Literal["first", "middle"] | int
"""``first`` takes the beginning of every file, ``middle`` its middle, and a number as many excerpts at most, spread
evenly over the file. Of short files all three take the beginning."""
MOST_EXCERPTS = 100
LONG = 1.5
"""A file is long enough to choose from if it lasts this many times an excerpt."""


def searched_seconds(seconds: float, rule: ExcerptRule) -> float:
    """How much of a file's beginning must not be silent: of ``first`` the excerpt, otherwise any part will do."""
    return seconds if rule == "first" else math.inf


def excerpts_of(clip: Clip, seconds: float, rule: ExcerptRule) -> list[Clip]:
    """The clip once for each of its excerpts of ``seconds``, in order, with ``start_s`` set.

    They do not overlap and keep clear of the silence at both ends. Starts are whole tenths of a second, so that the
    feature store finds them again.
    """
    if rule == "first" or clip.duration_s <= LONG * seconds:
        return [clip]
    begin, end = clip.silent_s[0], clip.duration_s - clip.silent_s[1]
    most = 1 if rule == "middle" else rule
    count = max(1, min(most, math.floor((end - begin) / seconds)))
    share = (end - begin) / count
    starts = (begin + share * (k + 0.5) - seconds / 2 for k in range(count))
    return [replace(clip, start_s=round(min(max(0.0, start), clip.duration_s - seconds), 1)) for start in starts]
