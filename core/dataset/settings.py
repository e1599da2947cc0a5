"""Which labels a dataset has, and how it is divided. Imports no torch; part of every recipe."""

from typing import Annotated, Literal

import msgspec

FilePath = Annotated[str, msgspec.Meta(title="path")]
KINDS = ("auto", "folders", "flat", "tags")
"""Sources that are not the path of a table."""


class LabelSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The source of the labels, and how one of several genres is chosen."""

    source: FilePath = "auto"
    """``auto`` detects the source; ``folders`` takes the first folder of each path, at any depth; ``flat`` does so for
    files directly in it, as version 0.1 did; ``tags`` reads the files' tags; anything else is the path of a table."""
    path_column: str | None = None
    """Column of a table of labels that names the files; none detects it by its name."""
    label_column: str | None = None
    """Column of a table of labels that holds the genres; none detects it by its name."""
    multiple: Literal["first", "specific", "frequent", "drop"] = "first"
    """Which genre of a file with several counts: the first, the deepest in the tree (the rarest if there is no
    tree), or the most frequent in the collection; ``drop`` leaves such files out."""
    tree: FilePath | None = None
    """For subgenres, a table of genres and their parents: ``child``, ``parent``, or FMA's genres.csv."""
    level: Literal["top", "leaf"] | None = None
    """``top`` replaces each genre by its root in the tree; ``leaf`` takes the most specific genres of a collection with
    two levels of labels."""
    map: FilePath | None = None
    """A table that renames or merges genres: a column of names in the source, and one of what they are mapped to."""
    min_clips: int = 1
    """Genres with fewer files are left out."""
    digest: str = ""
    """Hash of all paths and genres when the run was created; for information."""

    def __post_init__(self) -> None:
        if not self.source:
            raise ValueError("source must be auto, folders, flat, tags or the path of a table; it is empty")
        if self.min_clips < 1:
            raise ValueError(f"min_clips must be at least 1, not {self.min_clips}")

    def options(self) -> list[str]:
        """The command-line options for these settings: ``--labels tags --min-clips 5``."""
        words = []
        for name in self.__struct_fields__:
            if name != "digest" and (value := getattr(self, name)) != getattr(LabelSettings(), name):
                words += ["--labels" if name == "source" else f"--{name.replace('_', '-')}", str(value)]
        return words


AUTO = "auto"
AUTO_COLUMNS = ("artist", "album", "recording")
"""Columns by which ``auto`` groups: the first that any clip has; `core.dataset.near_duplicates` adds the last."""
MOST_COMPARED = 20_000
"""Most clips that are compared by their sound, which takes minutes."""
SHORTEST_COMPARED = 5.2
"""Seconds of the shortest clip that is compared."""


class SplitSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How clips are divided into train, validation and test.

    ``random`` is stratified by genre; ``column`` takes the parts from a column of the dataset's metadata; ``grouped``
    keeps every group, such as an artist, in one part. Clips of one recording stay together in all three.
    """

    protocol: Literal["random", "column", "grouped"] = "random"
    """``random`` keeps the shares of the genres, ``column`` reads the parts from a column, ``grouped`` keeps the clips
    of an artist or album together."""
    seed: int = 0
    """Seed of the split."""
    fractions: tuple[float, float, float] = (0.8, 0.1, 0.1)
    """Shares of training, validation and test, for ``random``."""
    column: str = "split"
    """Metadata column with the parts, for ``column``; clips with other values are left out."""
    parts: tuple[str, str, str] = ("train", "valid", "test")
    """Values of the column for train, validation and test; an empty name means no such part."""
    groups: str | None = None
    """For ``grouped``: a metadata column, ``TABLE.csv:COLUMN``, or ``auto`` (artist, else album, else recordings that
    sound alike)."""
    folds: int = 5
    """For ``grouped``: the number of folds of equal size; one of them is the test part."""
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
    """The collection's own split, in the column ``split``."""
    return SplitSettings(protocol="column", seed=settings.seed)
