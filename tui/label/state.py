"""What the Label screen shows: the clips in their order, marks, a filter, and the keys of the genres."""

import string
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from core.dataset.labels.decisions import EXCLUDED
from core.labelling.label_worker import Opened, Ranked

MOVING = "gjkG"
"""Letters that move in every list."""
ACTIONS = "mnpqstuxAMORV"
"""Letters that do something on this screen."""
LETTERS = [letter for letter in string.ascii_letters if letter not in MOVING + ACTIONS]
KEYS = [*"67890", *LETTERS]
"""All keys that a genre can have; 1 to 5 are the modes."""


@dataclass(eq=False)
class Clip:
    """A row of the table. Labels that it does not have are empty."""

    index: int
    name: str
    label: str
    suggested: str
    score: float | None
    """Doubt in the given label; in teaching, the confidence in the suggestion."""
    artist: str
    decision: str

    @property
    def shown_suggestion(self) -> str:
        """Empty if it is the label."""
        return self.suggested if self.suggested != self.label else ""

    def matches(self, words: Sequence[str]) -> bool:
        text = " ".join((self.name, self.label, self.suggested, self.artist, self.decision)).casefold()
        return all(word in text for word in words)


ORDERS: dict[str, Callable[[Clip], str | float | None]] = {
    "": lambda clip: None,
    "score": lambda clip: clip.score,
    "given": lambda clip: clip.label.casefold(),
    "suggested": lambda clip: clip.shown_suggestion.casefold(),
    "decision": lambda clip: clip.decision.casefold(),
    "artist": lambda clip: clip.artist.casefold(),
    "file": lambda clip: clip.name.casefold(),
}
"""Column that the clips are sorted by → key; without one, what is to be decided next comes first."""


class Clips:
    """All clips of a dataset, and those that are listed: the ones that the filter leaves, in their order."""

    def __init__(self) -> None:
        self.by_index: dict[int, Clip] = {}
        self.marked: set[int] = set()
        self.teaches = False
        self.filter = ""
        self.sorted_by, self.descending = "", False
        """A key of `ORDERS`."""
        self._order: list[int] = []

    def open(self, opened: Opened) -> None:
        self.by_index = {
            row.index: Clip(row.index, row.name, row.label, row.suggested, row.doubt, row.artist, row.decision)
            for row in opened.rows
        }
        self.marked = set()
        self.sorted_by, self.descending = "", False
        self.teaches = opened.ranked is not None
        # What is still to be decided comes first when a dataset is opened again.
        self._order = sorted(self.by_index, key=lambda index: bool(self.by_index[index].decision))
        if opened.ranked is not None:
            self.rank(opened.ranked)

    def rank(self, ranked: Ranked) -> None:
        """Use the order of teaching; clips with a decision come last."""
        for index, clip in self.by_index.items():
            clip.suggested, clip.score = ranked.suggested[index], ranked.confidence[index]
        self._order = [*ranked.order, *sorted(self.by_index.keys() - set(ranked.order))]

    def listed(self) -> list[Clip]:
        words = self.filter.casefold().split()
        clips = [clip for index in self._order if (clip := self.by_index[index]).matches(words)]
        key = ORDERS[self.sorted_by]
        known = [clip for clip in clips if key(clip) not in (None, "")]
        known.sort(key=lambda clip: (key(clip),), reverse=self.descending)
        return known + [clip for clip in clips if key(clip) in (None, "")]

    def sort_by(self, column: str) -> None:
        """Sort by a column, then in reverse, then in the order of deciding again."""
        if column != self.sorted_by:
            self.sorted_by, self.descending = column, False
        elif self.descending:
            self.sorted_by, self.descending = "", False
        else:
            self.descending = True

    def decide(self, decisions: dict[int, str]) -> dict[int, str]:
        """Set decisions, empty for none; returns the previous ones."""
        before = {index: self.by_index[index].decision for index in decisions}
        for index, decision in decisions.items():
            self.by_index[index].decision = decision
        return before

    @property
    def decided(self) -> int:
        return sum(bool(clip.decision) for clip in self.by_index.values())

    def counts(self) -> dict[str, int]:
        """Genre → number of clips whose present label it is."""
        counts: dict[str, int] = {}
        for clip in self.by_index.values():
            label = clip.decision or clip.label
            if label and label != EXCLUDED:
                counts[label] = counts.get(label, 0) + 1
        return counts


class GenreKeys:
    """A key for each genre: the first letter of its name that is free, else any key. A genre keeps its key."""

    def __init__(self) -> None:
        self._genres: dict[str, str] = {}
        """Key → genre."""

    def __getitem__(self, key: str) -> str | None:
        return self._genres.get(key)

    def items(self) -> Iterable[tuple[str, str]]:
        """Keys and genres in the order in which the genres came."""
        return self._genres.items()

    def clear(self) -> None:
        self._genres.clear()

    def add(self, genres: Iterable[str]) -> None:
        """Give new genres keys while there are some left; the others have to be typed."""
        known = set(self._genres.values())
        for genre in genres:
            if genre in known:
                continue
            letters = [letter for letter in genre.casefold() if letter in LETTERS]
            for key in [*letters, *(letter.upper() for letter in letters), *KEYS]:
                if key in KEYS and key not in self._genres:
                    self._genres[key] = genre
                    known.add(genre)
                    break
