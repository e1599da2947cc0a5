"""Decisions about labels: reading an overlay file and applying it to the clips of a dataset.

`core.labelling.overlay` writes them.
"""

import csv
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from core.dataset.clip import Clip
from core.util.errors import UserError, explained
from core.util.files import open_regular, read_small
from core.util.text import printable

DECISION_COLUMNS = ("path", "content", "label", "previous", "time", "who")
"""Columns of the file."""
WHO = ("key", "suggestion", "undo")
"""How a decision was made. It is the last column, so that truncated rows are detected."""
EXCLUDED = "(excluded)"
LONGEST_HEADER = 1000
LARGEST = 1 << 28
"""Most bytes of an overlay: millions of decisions."""


class Decision(NamedTuple):
    """A row. ``path`` is printable, and relative to the dataset if the file is inside it; ``content`` is its hash."""

    path: str
    content: str
    label: str
    previous: str
    time: str
    who: str
    """One of `WHO`."""


def read_overlay(path: Path) -> list[Decision]:
    """All decisions in the order of their rows. Incomplete and damaged rows are skipped.

    Raises:
        UserError: it cannot be read, or is not an overlay.
    """
    with explained(f"The labels file {printable(path)} cannot be read"):
        data = read_small(path, LARGEST)
    lines = data.decode("utf-8", "replace").splitlines(keepends=True)
    header = lines[0].strip().lstrip("\ufeff").split(",") if lines else []
    if lines and lines[0].endswith("\n") and tuple(header) != DECISION_COLUMNS:
        raise UserError(
            f"{printable(path)} is not a file of label decisions (its first line is not {','.join(DECISION_COLUMNS)}): "
            "name another file."
        )
    decisions = []
    for line in lines[1:]:
        with suppress(csv.Error, StopIteration):
            row = next(csv.reader([line], strict=True))
            if len(row) == len(DECISION_COLUMNS) and row[1] and row[-1] in WHO:
                decisions.append(Decision(*row))
    return decisions


Key = tuple[str, str]
"""Path and content of a file: copies of one file may get different labels."""


def is_overlay(path: Path) -> bool:
    """Whether a file has the header of an overlay."""
    try:
        with os.fdopen(open_regular(path), encoding="utf-8-sig", errors="replace") as file:
            return tuple(file.readline(LONGEST_HEADER).strip().split(",")) == DECISION_COLUMNS
    except OSError:
        return False


def current(decisions: Iterable[Decision]) -> dict[Key, Decision]:
    """The last decision about each file."""
    return {(decision.path, decision.content): decision for decision in decisions}


def path_in(root: Path, clip: Clip) -> str:
    """The path of a clip in its decisions."""
    inside = clip.path.is_relative_to(root)
    return printable(clip.path.relative_to(root) if inside else clip.path)


def decided(clips: Sequence[Clip], root: Path, decisions: Mapping[Key, Decision]) -> list[Decision | None]:
    """The decision about each clip of the dataset at ``root``; renamed files are found by their content."""
    paths = [path_in(root, clip) for clip in clips]
    present = set(paths)
    renamed = {content: decision for (path, content), decision in decisions.items() if path not in present}
    return [
        decisions.get((path, clip.content)) or renamed.get(clip.content)
        for path, clip in zip(paths, clips, strict=True)
    ]


def labels_with(clips: Sequence[Clip], root: Path, decisions: Mapping[Key, Decision]) -> list[str | None]:
    """The label of each clip after ``decisions``; None if it is excluded or has none."""
    given = zip(clips, decided(clips, root, decisions), strict=True)
    labels = [clip.genre if decision is None else decision.label for clip, decision in given]
    return [label if label and label != EXCLUDED else None for label in labels]
