"""Which parts of a file are used: one or more excerpts of the front end's length. Imports no torch."""

import math
from dataclasses import replace
from typing import Literal

from core.dataset.clip import Clip

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
