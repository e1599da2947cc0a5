"""How a dataset is divided. Imports no torch; part of every recipe."""

from typing import Literal

import msgspec

AUTO = "auto"
AUTO_COLUMNS = ("artist", "album", "recording")
"""Columns that ``auto`` groups by, the first that any clip has; `core.dataset.near_duplicates` adds the last."""
MOST_COMPARED = 20_000
"""Clips that are compared with each other by their sound, in minutes."""
SHORTEST_COMPARED = 5.2
"""Seconds of the shortest clip that is compared."""


class SplitSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How clips are divided into train, validation and test.

    ``random`` is stratified by genre; ``column`` takes the parts from a column of the dataset's index; ``grouped``
    keeps every group (an artist, say) on one side. Clips of one recording stay together in all three.
    """

    protocol: Literal["random", "column", "grouped"] = "random"
    """``random`` keeps the shares of the genres, ``column`` reads the parts from a column, ``grouped`` keeps the clips
    of an artist or album together."""
    seed: int = 0
    """Seed of the division."""
    fractions: tuple[float, float, float] = (0.8, 0.1, 0.1)
    """Shares of training, validation and test, for ``random``."""
    column: str = "split"
    """Metadata column with the parts, for ``column``; clips with other values are left out."""
    parts: tuple[str, str, str] = ("train", "valid", "test")
    """What the column calls train, validation and test; an empty name means that there is none."""
    groups: str | None = None
    """For ``grouped``: a metadata column, ``TABLE.csv:COLUMN``, or ``auto``: artist, else album, else recordings that
    sound alike."""
    folds: int = 5
    """Parts of equal size, for ``grouped``: one is the test part, the next one the validation part."""
    fold: int = 0
    """Which fold is the test part, counted from 0."""

    def describe(self) -> str:
        """The split in words, such as ``random stratified split 80/10/10, seed 0``."""
        match self.protocol:
            case "random":
                shares = "/".join(f"{100 * fraction:g}" for fraction in self.fractions)
                return f"random stratified split {shares}, seed {self.seed}"
            case "column":
                parts = "/".join(part or "none" for part in self.parts)
                return f"split by the column {self.column} ({parts})"
            case "grouped":
                by = "artist, album or recording" if self.groups == AUTO else self.groups or "recording"
                return f"fold {self.fold + 1} of {self.folds} grouped by {by}, seed {self.seed}"


def own_split(settings: SplitSettings) -> SplitSettings:
    """The split that a collection brings itself, in the column ``split``."""
    return SplitSettings(protocol="column", seed=settings.seed)
