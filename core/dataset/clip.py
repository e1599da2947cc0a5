"""Clips of a dataset, their excerpts, and files that were left out. Imports no torch.

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
"""Called with a sentence that the user should know about a dataset."""
OnProgress = Callable[[int, int], None]
"""Called with the numbers of files read and of all files; if tags are read first, both passes are counted."""


@dataclass(frozen=True)
class Clip:
    """A usable recording and its metadata.

    ``name`` is the file name without suffix (``blues.00000``). ``content`` is a hash of the file, or of the spectrogram
    in a feature pack; the feature store uses it as a key. Unprintable characters of file names are escaped in all
    texts, but not in ``path``.
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
    """Its row of the dataset's metadata."""
    silent_s: tuple[float, float] = (0.0, 0.0)
    """Seconds of silence at its beginning and at its end."""
    start_s: float = 0.0
    """Where its excerpt begins; see `excerpts_of`."""

    @property
    def key(self) -> str:
        """Key of its excerpt in the feature store: 32 hexadecimal digits."""
        if self.start_s == 0:
            return self.content
        return hashlib.blake2b(f"{self.content} {self.start_s:.1f}".encode(), digest_size=16).hexdigest()

    @property
    def group(self) -> str | None:
        """The recording of which this clip is a copy, if the metadata names it."""
        return self.columns.get("exact_duplicate_group") or None


@dataclass(frozen=True)
class Excluded:
    """A file that was left out, and why. ``path`` is printable text; ``genre`` is empty if it is unknown."""

    path: str
    reason: str
    genre: str = ""


class DatasetError(UserError):
    """A dataset cannot be used; the message says what to do."""


ExcerptRule = Literal["first", "middle"] | int
"""``first`` is the beginning of every file, ``middle`` its middle, and a number at most so many excerpts, spread evenly
over the file. For short files all three are the beginning."""
MOST_EXCERPTS = 100
LONG = 1.5
"""Files shorter than this many excerpts count as short."""


def searched_seconds(seconds: float, rule: ExcerptRule) -> float:
    """The length at the beginning of a file that must not be silent: that of the excerpt for ``first``, else any."""
    return seconds if rule == "first" else math.inf


def excerpts_of(clip: Clip, seconds: float, rule: ExcerptRule) -> list[Clip]:
    """The excerpts of a clip, in order: copies of it with ``start_s`` set.

    They do not overlap, and silence at both ends is skipped. Starts are multiples of 0.1 s, so that the feature store
    finds the excerpts again.
    """
    if rule == "first" or clip.duration_s <= LONG * seconds:
        return [clip]
    begin, end = clip.silent_s[0], clip.duration_s - clip.silent_s[1]
    most = 1 if rule == "middle" else rule
    count = max(1, min(most, math.floor((end - begin) / seconds)))
    share = (end - begin) / count
    starts = (begin + share * (k + 0.5) - seconds / 2 for k in range(count))
    return [replace(clip, start_s=round(min(max(0.0, start), clip.duration_s - seconds), 1)) for start in starts]
