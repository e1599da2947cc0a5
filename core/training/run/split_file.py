"""The file split.csv in a run folder, which lists the clips of each part so that a run resumes with the same split."""

import csv
import io
from pathlib import Path

from core.dataset.clip import Clip, OnNote
from core.dataset.split import PARTS, Split
from core.util.errors import UserError
from core.util.files import LARGE_FILE_BYTES, read_small
from core.util.text import counted

SPLIT = "split.csv"
"""File name: part, genre, name and content hash of every clip."""
COLUMNS = ("part", "genre", "name", "content")
LABELS = "labels"
"""The column with the label source and its hash; runs of version 0.1 have none."""


def split_csv(clips: list[Clip], split: Split, labels: str) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([*COLUMNS, LABELS])
    for part, indices in split.parts().items():
        writer.writerows([part, clips[i].genre, clips[i].name, clips[i].content, labels] for i in indices)
    return text.getvalue().encode("utf-8", "surrogateescape")  # file names need not be UTF-8


def read_split(path: Path) -> list[dict[str, str]]:
    """Read the rows of split.csv, one per clip.

    Raises:
        UserError: the file is missing or damaged.
    """
    hint = "put back the file, or start a new run"
    try:
        text = read_small(path, LARGE_FILE_BYTES).decode("utf-8", "surrogateescape")
        rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    except OSError as error:
        raise UserError(
            f"{path}, the split that this run began with, cannot be read ({error.strerror}): {hint}."
        ) from None
    except csv.Error as error:
        raise UserError(f"{path}, the split that this run began with, is damaged ({error}): {hint}.") from error
    if not rows or any(
        row.get("part") not in PARTS or set(row) - {LABELS} != set(COLUMNS) or None in row.values() for row in rows
    ):
        raise UserError(f"{path}, the split that this run began with, is damaged: {hint}.")
    return rows


def first_split(clips: list[Clip], rows: list[dict[str, str]], on_note: OnNote | None = None) -> Split:
    """The split with which the run started, as indices into ``clips``.

    Args:
        rows: the rows of split.csv.
        on_note: called with what a user should know about the clips.

    Raises:
        UserError: the clips or their genres are no longer those of the split.
    """
    indices = {(clip.genre, clip.name, clip.content): i for i, clip in enumerate(clips)}
    # A name may have become longer, because another file with that name was added.
    renamed = {(clip.genre, clip.content): i for i, clip in enumerate(clips)}
    for row in rows:
        genre, content = row["genre"], row["content"]
        if (genre, content) in renamed:
            indices.setdefault((genre, row["name"], content), renamed[genre, content])
    wanted = [(row["genre"], row["name"], row["content"]) for row in rows]
    missing = [key for key in wanted if key not in indices]
    if missing:
        _check_labels(clips, missing)
    if missing or {genre for genre, _, _ in wanted} != {clip.genre for clip in clips}:
        example = f", {missing[0][0]}/{missing[0][1]} for one" if missing else ""
        raise UserError(
            f"The dataset is no longer the one that this run began with ({len(missing)} of its {len(rows)} clips are "
            f"gone or changed{example}): put it back, or start a new run."
        )
    if on_note and (surplus := len(clips) - len(rows)):
        came = f"{counted(surplus, 'clip')} {'was' if surplus == 1 else 'were'}"
        on_note(f"{came} added to the dataset after the run began and {'is' if surplus == 1 else 'are'} not used")
    parts: dict[str, list[int]] = {name: [] for name in PARTS}
    for row, key in zip(rows, wanted, strict=True):
        parts[row["part"]].append(indices[key])
    train, valid, test = (sorted(parts[name]) for name in PARTS)
    return Split(train, valid, test)


def _check_labels(clips: list[Clip], missing: list[tuple[str, str, str]]) -> None:
    """
    Raises:
        UserError: missing clips exist with another genre.
    """
    by_content: dict[str, set[str]] = {}
    for clip in clips:
        by_content.setdefault(clip.content, set()).add(clip.genre)
    changed = [(key, by_content[key[2]]) for key in missing if by_content.get(key[2], set()) - {key[0]}]
    if changed:
        (genre, name, _), now = changed[0]
        raise UserError(
            f"The labels are no longer those that this run began with: {name} was {genre} and is now "
            f"{' and '.join(sorted(now))}, the first of {len(changed):,}; put back the labels, or start a new run."
        )
