"""Splitting clips into train, validation and test; a recording or group is never in two parts.

Imports no torch.
"""

import csv
import io
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from core.dataset.clip import Clip, DatasetError
from core.dataset.matching import match_clips
from core.dataset.metadata import column_list, column_of, no_column, read_table
from core.dataset.pack_manifest import is_pack
from core.dataset.scan import Scan
from core.dataset.settings import AUTO, AUTO_COLUMNS, SplitSettings, own_split
from core.util.text import counted, printable


def union_find(keys: Sequence[Sequence[Hashable | None]]) -> list[int]:
    """Connected components of items that share a key; returns the component's number for each item."""
    parent = list(range(len(keys)))

    def find(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    first: dict[Hashable, int] = {}
    for i, own in enumerate(keys):
        for key in own:
            if key is not None:
                parent[find(i)] = find(first.setdefault(key, i))
    numbers: dict[int, int] = {}
    return [numbers.setdefault(find(i), len(numbers)) for i in range(len(keys))]


PARTS = ("train", "valid", "test")
Counts = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Split:
    """Indices of the clips in each part, in ascending order."""

    train: list[int]
    valid: list[int]
    test: list[int]
    notes: list[str] = field(default_factory=list, compare=False)
    """What a user should know about the column that defines the split, one sentence each."""

    def parts(self) -> dict[str, list[int]]:
        return {"train": self.train, "valid": self.valid, "test": self.test}


def split(clips: Sequence[Clip], settings: SplitSettings) -> Split:
    """Split clips. The same clips and settings always give the same split.

    Copies of one recording (equal content, or an equal ``exact_duplicate_group`` in the index) stay in one part.

    Raises:
        DatasetError: a genre has too few clips, a column or part does not exist, or the settings are invalid.
    """
    recordings = same_recording(clips)
    if settings.protocol == "column":
        return _by_column(clips, recordings, settings)
    _check(settings)
    units, notes = recordings, list[str]()
    if settings.protocol == "grouped":
        groups = column_values(clips, settings.groups) if settings.groups else [""] * len(clips)
        units = same_group(recordings, groups)
        if settings.groups == AUTO:
            by = auto_column(clips)
            kept = f"those of one {by}" if by else "copies of one file, as no artist or album is known,"
            notes = [f"Clips are grouped: {kept} stay in one part, in {len(set(units)):,} groups."]
        elif settings.groups:
            notes = _coverage(settings.groups, groups, "each of the others is a group of its own")
    genres, labels = np.unique([clip.genre for clip in clips], return_inverse=True)
    counts_UG = np.zeros((max(units) + 1, len(genres)))
    np.add.at(counts_UG, (np.array(units), labels), 1)
    rng = np.random.default_rng(settings.seed)
    if settings.protocol == "random":
        part_U = _assign(counts_UG, _whole_targets(counts_UG, settings.fractions, list(genres)), rng)
    else:
        part_U = _fold(counts_UG, settings, rng)
    part = part_U[units]
    train, valid, test = (np.flatnonzero(part == k).tolist() for k in range(3))
    return Split(train, valid, test, notes)


def same_recording(clips: Sequence[Clip]) -> list[int]:
    """A number for each clip, which is equal for copies of one recording."""
    return union_find([[("content", clip.content), ("group", clip.group) if clip.group else None] for clip in clips])


def same_group(recordings: list[int], groups: list[str]) -> list[int]:
    """A number for each clip, which is equal for clips of one group and copies of one recording."""
    return union_find([[("r", r), ("g", name) if name else None] for r, name in zip(recordings, groups, strict=True)])


def split_table(root: Path, clips: Sequence[Clip], divided: Split) -> bytes:
    """A CSV table with the path, genre and part of every clip, and its artist and album if known.

    Args:
        root: the folder to which the paths are relative.
    """
    kept = [column for column in ("artist", "album") if any(column in clip.columns for clip in clips)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["path", "genre", "split", *kept])
    for part, indices in divided.parts().items():
        for clip in (clips[i] for i in indices):
            path = printable(clip.path.relative_to(root))
            writer.writerow([path, clip.genre, part, *(clip.columns.get(column, "") for column in kept)])
    return text.getvalue().encode()


def _coverage(column: str, values: list[str], otherwise: str) -> list[str]:
    """A note if a column has values for only some of the clips."""
    known = sum(map(bool, values))
    if known == len(values):
        return []
    return [f"The column {printable(column)!r} covers {known:,} of {len(values):,} clips; {otherwise}."]


def column_values(clips: Sequence[Clip], column: str) -> list[str]:
    """The value of each clip in ``COLUMN`` of the dataset's metadata or in ``TABLE.csv:COLUMN``; "" if unknown.

    ``auto`` is the column from `auto_column`, if any.

    Raises:
        DatasetError: the column does not exist.
    """
    if column == AUTO:
        name = auto_column(clips) or ""
        return [clip.columns.get(name, "") for clip in clips]
    path, name = column_of(column)
    if path is None:
        rows = [clip.columns for clip in clips]
    else:
        table = read_table(path)
        if name not in table.columns:
            raise no_column(table, name)
        table.check_single(name)
        rows = match_clips(table, clips).rows
        if not any(rows):
            raise DatasetError(f"No row of {printable(path)} names any of these {counted(len(clips), 'clip')}.")
    if not any(name in row for row in rows):
        known = sorted({key for row in rows for key in row})
        choice = f"name one of {column_list(known)}, or" if known else "name"
        raise DatasetError(
            f"The clips have no column {printable(name)!r}: {choice} a column of a table, as TABLE.csv:COLUMN."
        )
    return [row.get(name, "") for row in rows]


def auto_column(clips: Sequence[Clip]) -> str | None:
    """The first of `AUTO_COLUMNS` for which any clip has a value."""
    return next((name for name in AUTO_COLUMNS if any(clip.columns.get(name) for clip in clips)), None)


def sharing_artist(clips: Sequence[Clip], some: Sequence[int], others: Sequence[int]) -> int | None:
    """The number of clips of ``some`` by an artist of ``others``; None if no artist is known."""
    artists = [clip.columns.get("artist") for clip in clips]
    if not any(artists):
        return None
    known = {artists[i] for i in others} - {None, ""}
    return sum(artists[i] in known for i in some)


def _by_column(clips: Sequence[Clip], recordings: list[int], settings: SplitSettings) -> Split:
    """Take the parts from a column. Copies of test recordings are removed from the other parts."""
    values = column_values(clips, settings.column)
    taken: set[int] = set()
    parts: dict[str, list[int]] = {}
    for part, name in reversed(list(zip(PARTS, settings.parts, strict=True))):
        chosen = [i for i, value in enumerate(values) if name and value == name and recordings[i] not in taken]
        taken.update(recordings[i] for i in chosen)
        parts[part] = chosen
    if not parts["train"] or not (parts["valid"] or parts["test"]):
        has = ", ".join(f"{value or '(empty)'} ({count})" for value, count in Counter(values).most_common(8))
        wanted = ", ".join(name for name in settings.parts if name)
        raise DatasetError(
            f"The column {settings.column!r} gives no clips to train on or none to test on ({wanted}): it has {has}."
        )
    return Split(**parts, notes=_coverage(settings.column, values, "the others are left out"))


def _check(settings: SplitSettings) -> None:
    """Check the fractions and the seed. Folds use the fractions of training and validation."""
    fractions = settings.fractions
    # Comparisons with NaN are False, so the conditions are positive.
    if not (min(fractions) >= 0 and fractions[0] > 0 and abs(sum(fractions) - 1) <= 1e-6):
        raise DatasetError(
            "The fractions of train, validation and test must add up to 1, with none below 0 and some to train on, "
            f"unlike {fractions}."
        )
    if settings.seed < 0:
        raise DatasetError(f"The seed of a split must be 0 or more, not {settings.seed}.")


def _whole_targets(counts_UG: Counts, fractions: Sequence[float], genres: list[str]) -> Counts:
    """Target number of clips of each genre in each part, (3, G): at least one if the fraction is above 0."""
    wanted = [PARTS[k] for k in range(3) if fractions[k] > 0]
    for genre, units in zip(genres, (counts_UG > 0).sum(0), strict=True):
        if units < len(wanted):
            clips = counted(units, "usable clip")
            raise DatasetError(
                f"The genre {genre} has {clips} (copies of one recording count once), and a split into "
                f"{', '.join(wanted)} needs {len(wanted)} or more: add clips, or remove its folder."
            )
    totals_G = counts_UG.sum(0)
    targets = np.array([np.maximum(np.round(totals_G * f), 1) if f > 0 else totals_G * 0 for f in fractions])
    targets[0] = totals_G - targets[1:].sum(0)
    for k in (2, 1):  # in very small genres rounding may leave too few clips for training
        short = (targets[0] < 1) & (targets[k] > 1)
        targets[k, short] -= 1
        targets[0, short] += 1
    return targets


def _fold(counts_UG: Counts, settings: SplitSettings, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """The part of each unit, (U,): test is one of k folds, validation a share of the others."""
    if not (settings.folds >= 2 and 0 <= settings.fold < settings.folds):
        raise DatasetError(
            f"There is no fold {settings.fold} of {settings.folds}: there must be 2 or more, counted from 0."
        )
    if len(counts_UG) < settings.folds:
        raise DatasetError(f"{settings.folds} folds need as many groups, and there are {len(counts_UG)}.")
    counts_UG = np.column_stack([counts_UG, counts_UG.sum(1)])  # the total is balanced like another genre
    totals_G = counts_UG.sum(0)
    fold_U = _assign(counts_UG, np.repeat(totals_G[None] / settings.folds, settings.folds, 0), rng)
    rest = np.flatnonzero(fold_U != settings.fold)
    share = settings.fractions[1] / (settings.fractions[0] + settings.fractions[1])
    rest_G = counts_UG[rest].sum(0)
    part_U = np.full(len(counts_UG), 2)
    part_U[rest] = _assign(counts_UG[rest], np.stack([rest_G * (1 - share), rest_G * share]), rng) if share else 0
    return part_U


def _assign(counts_UG: Counts, targets_KG: Counts, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Assign units to parts, (U,), so that part k gets about ``targets_KG[k]`` clips of each genre.

    Greedy: units in random order, large ones first; each goes to the part where it reduces the chi-square distance
    between actual and target counts most.
    """
    order = rng.permutation(len(counts_UG))
    order = order[np.argsort(-counts_UG[order].sum(1), kind="stable")]
    missing_KG = targets_KG.copy()
    weight_KG = 1 / np.maximum(targets_KG, 1e-6)
    part_U = np.zeros(len(counts_UG), dtype=np.int64)
    for unit in order:
        counts_G = counts_UG[unit]
        change_K = (weight_KG * (counts_G**2 - 2 * counts_G * missing_KG)).sum(1)
        part_U[unit] = part = int(np.argmin(change_K))
        missing_KG[part] -= counts_G
    return part_U


def default_split(found: Scan, settings: SplitSettings) -> tuple[SplitSettings, str]:
    """The default split for a scan, and a sentence about it; ``settings`` and "" if nothing better is known.

    A collection's own split comes first. If the source names artists or albums, each stays in one part, provided that
    every genre is in training and every part has clips. Artists from a table beside a folder per genre and from
    feature packs are only used by `SplitSettings.groups`, because random splits of these are compared with published
    ones.
    """
    if found.has_split:
        return own_split(settings), "the split is the collection's own; --set split.protocol=random makes another"
    column = auto_column(found.clips)
    if settings != SplitSettings(seed=settings.seed) or column is None or not _names_artists(found):
        return settings, ""
    grouped = msgspec.structs.replace(settings, protocol="grouped", groups=AUTO)
    try:
        parts = split(found.clips, grouped).parts()
    except DatasetError:
        return settings, ""
    if not all(parts.values()) or {found.clips[i].genre for i in parts["train"]} != set(found.genres):
        return settings, ""
    return grouped, f"clips of one {column} stay in one part of the split; --set split.protocol=random ignores them"


def _names_artists(found: Scan) -> bool:
    if found.labels.source in ("folders", "flat"):
        return any(len(clip.path.relative_to(found.root).parts) > 3 for clip in found.clips)
    return not is_pack(found.root)
