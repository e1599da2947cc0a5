"""Splitting clips into train, validation and test, each recording and group in one part only.

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
from core.dataset.metadata import column_of, read_table
from core.dataset.pack_manifest import is_pack
from core.dataset.scan import Scan
from core.dataset.settings import AUTO, AUTO_COLUMNS, SplitSettings, own_split
from core.util.text import printable


def union_find(keys: Sequence[Sequence[Hashable | None]]) -> list[int]:
    """The number of each item's connected component; items that share a key are connected."""
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
    """Indices into the clips that were divided, each part in ascending order."""

    train: list[int]
    valid: list[int]
    test: list[int]
    notes: list[str] = field(default_factory=list, compare=False)
    """What a user should know about the column that it was made by, one sentence each."""

    def parts(self) -> dict[str, list[int]]:
        return {"train": self.train, "valid": self.valid, "test": self.test}


def split(clips: Sequence[Clip], settings: SplitSettings) -> Split:
    """Divides clips as ``settings`` say; the same clips and settings always give the same split.

    Copies of one recording (equal content, or one ``exact_duplicate_group`` in the index) stay on one side.

    Raises:
        DatasetError: a genre has too few clips, a column or a part is not there, or the settings make no sense.
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
    """A number for each clip; copies of one recording share theirs."""
    return union_find([[("content", clip.content), ("group", clip.group) if clip.group else None] for clip in clips])


def same_group(recordings: list[int], groups: list[str]) -> list[int]:
    """A number for each clip; clips of one group, or copies of one recording, share theirs."""
    return union_find([[("r", r), ("g", name) if name else None] for r, name in zip(recordings, groups, strict=True)])


def split_table(root: Path, clips: Sequence[Clip], divided: Split) -> bytes:
    """A CSV table with the path, genre and part of every clip, and artist and album where they are known.

    Args:
        root: the folder that the paths are relative to.
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
    """A note where a column has values for a part of the clips only."""
    known = sum(map(bool, values))
    if known == len(values):
        return []
    return [f"The column {printable(column)!r} covers {known:,} of {len(values):,} clips; {otherwise}."]


def column_values(clips: Sequence[Clip], column: str) -> list[str]:
    """A column's value for each clip: ``COLUMN`` of the dataset's own index, or ``INDEX.csv:COLUMN``; "" where unknown.

    ``auto`` is the column that `auto_column` finds, if any.

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
        table.check_single(name)
        rows = match_clips(table, clips).rows
    if not any(name in row for row in rows):
        known = sorted({key for row in rows for key in row})
        has = f"has {', '.join(known)}" if known else "names none of these clips" if path else "is missing"
        raise DatasetError(f"There is no column {name!r} for these clips: the index {has}.")
    return [row.get(name, "") for row in rows]


def auto_column(clips: Sequence[Clip]) -> str | None:
    """The first of ``AUTO_COLUMNS`` that any clip has a value in."""
    return next((name for name in AUTO_COLUMNS if any(clip.columns.get(name) for clip in clips)), None)


def sharing_artist(clips: Sequence[Clip], some: Sequence[int], others: Sequence[int]) -> int | None:
    """How many clips of ``some`` are by an artist of ``others``; None where no artist is known."""
    artists = [clip.columns.get("artist") for clip in clips]
    if not any(artists):
        return None
    known = {artists[i] for i in others} - {None, ""}
    return sum(artists[i] in known for i in some)


def _by_column(clips: Sequence[Clip], recordings: list[int], settings: SplitSettings) -> Split:
    """Parts as the column says. A copy of a recording that is tested on is not trained on."""
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
    """Refuses settings that give no split. Folds use the fractions of training and validation."""
    fractions = settings.fractions
    # NaN fails every comparison, so each asks for what is right.
    if not (min(fractions) >= 0 and fractions[0] > 0 and abs(sum(fractions) - 1) <= 1e-6):
        raise DatasetError(
            "The fractions of train, validation and test must add up to 1, with none below 0 and some to train on, "
            f"unlike {fractions}."
        )
    if settings.seed < 0:
        raise DatasetError(f"The seed of a split must be 0 or more, not {settings.seed}.")


def _whole_targets(counts_UG: Counts, fractions: Sequence[float], genres: list[str]) -> Counts:
    """Clips that each part should get of each genre, (3, G): at least one wherever its fraction is above 0."""
    wanted = [PARTS[k] for k in range(3) if fractions[k] > 0]
    for genre, units in zip(genres, (counts_UG > 0).sum(0), strict=True):
        if units < len(wanted):
            clips = f"{units} usable clip{'' if units == 1 else 's'}"
            raise DatasetError(
                f"The genre {genre} has {clips} (copies of one recording count once), and a split into "
                f"{', '.join(wanted)} needs {len(wanted)} or more: add clips, or remove its folder."
            )
    totals_G = counts_UG.sum(0)
    targets = np.array([np.maximum(np.round(totals_G * f), 1) if f > 0 else totals_G * 0 for f in fractions])
    targets[0] = totals_G - targets[1:].sum(0)
    for k in (2, 1):  # very small genres: what rounding gave to the others goes back to train
        short = (targets[0] < 1) & (targets[k] > 1)
        targets[k, short] -= 1
        targets[0, short] += 1
    return targets


def _fold(counts_UG: Counts, settings: SplitSettings, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Part of each unit, (U,): test is one of k folds, validation a share of the others."""
    if not (settings.folds >= 2 and 0 <= settings.fold < settings.folds):
        raise DatasetError(
            f"There is no fold {settings.fold} of {settings.folds}: there must be 2 or more, counted from 0."
        )
    if len(counts_UG) < settings.folds:
        raise DatasetError(f"{settings.folds} folds need as many groups, and there are {len(counts_UG)}.")
    counts_UG = np.column_stack([counts_UG, counts_UG.sum(1)])  # the whole is balanced like one more genre
    totals_G = counts_UG.sum(0)
    fold_U = _assign(counts_UG, np.repeat(totals_G[None] / settings.folds, settings.folds, 0), rng)
    rest = np.flatnonzero(fold_U != settings.fold)
    share = settings.fractions[1] / (settings.fractions[0] + settings.fractions[1])
    rest_G = counts_UG[rest].sum(0)
    part_U = np.full(len(counts_UG), 2)
    part_U[rest] = _assign(counts_UG[rest], np.stack([rest_G * (1 - share), rest_G * share]), rng) if share else 0
    return part_U


def _assign(counts_UG: Counts, targets_KG: Counts, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """The part of each unit, (U,), so that part k gets about ``targets_KG[k]`` clips of each genre.

    Greedy: units in random order, large ones first; each goes where it lessens the chi-square distance between what
    the parts have and what they should have the most.
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
    """What divides the clips of a scan, and one sentence about it; ``settings`` and "" where nothing else suits them.

    A collection's own split counts first. Where the source names artists or albums, each stays in one part, as long
    as every genre is trained on then and every part has clips. Artists in a table beside a folder per genre, and those
    of a feature pack, are for `SplitSettings.groups` only: their random splits are compared with published ones.
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
