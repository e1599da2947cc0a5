"""Where a dataset's genres come from. Imports no torch; part of every recipe."""

from typing import Annotated, Literal

import msgspec

FilePath = Annotated[str, msgspec.Meta(title="path")]
KINDS = ("auto", "folders", "flat", "tags")
"""Sources that are not the path of a table."""


class LabelSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The source of the labels, and how several genres of one file become one."""

    source: FilePath = "auto"
    """``auto`` looks; ``folders`` takes the first folder of each path, at any depth below; ``flat`` the same for files
    directly inside, the rule of version 0.1; ``tags`` the files' own tags; anything else is the path of a table."""
    path_column: str | None = None
    """Column of the table that names the files; None recognises it by its name."""
    label_column: str | None = None
    """Column of the table that holds the genres; None recognises it by its name."""
    multiple: Literal["first", "specific", "frequent", "drop"] = "first"
    """Which of several genres counts: the first, the deepest in the tree (without one, the rarest), the most frequent
    in the collection; ``drop`` leaves such files out."""
    tree: FilePath | None = None
    """A table of genres and their parents: ``child``, ``parent``, or FMA's genres.csv."""
    level: Literal["top", "leaf"] | None = None
    """``top`` replaces each genre by its root in the tree; ``leaf`` takes the finest genres of a collection with two
    levels of labels."""
    map: FilePath | None = None
    """A table with two columns: a name as it stands in the source, and the genre that it counts as."""
    min_clips: int = 1
    """Genres with fewer files are left out."""
    digest: str = ""
    """Hash of all paths and genres at the time the run was made; for information."""

    def __post_init__(self) -> None:
        if not self.source:
            raise ValueError("source must be auto, folders, flat, tags or the path of a table, and is empty")
        if self.min_clips < 1:
            raise ValueError(f"min_clips must be at least 1, not {self.min_clips}")

    def options(self) -> list[str]:
        """The words on a command line that give these settings: ``--labels tags --min-clips 5``."""
        words = []
        for name in self.__struct_fields__:
            if name != "digest" and (value := getattr(self, name)) != getattr(LabelSettings(), name):
                words += ["--labels" if name == "source" else f"--{name.replace('_', '-')}", str(value)]
        return words
