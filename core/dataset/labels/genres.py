"""Resolving the genres of a source to one per file: names are merged, and one of several genres is chosen."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from core.dataset.clip import DatasetError, Excluded
from core.dataset.labels.files import LabelledFile, Labels
from core.dataset.labels.tree import GenreTree, read_tree
from core.dataset.metadata import read_table_of_two
from core.dataset.settings import LabelSettings
from core.util.paths import name_fault
from core.util.text import counted, printable

SEPARATORS = re.compile(r"\s*[;|\0]\s*")
"""Separators between genres in one text. A comma is not one: ``Folk, World, & Country``."""


def genres_in(text: str) -> list[str]:
    """The genres in a cell or a tag: ``Rock; Pop`` or ``["Rock", "Pop"]`` → Rock, Pop."""
    if text.startswith("["):
        try:
            listed = msgspec.json.decode(text.replace("'", '"'), type=list[str | int])
            return [genre for one in listed if (genre := str(one).strip())]
        except msgspec.DecodeError:
            pass  # a name that begins with a bracket
    return [genre for genre in SEPARATORS.split(text.strip()) if genre]


@dataclass(frozen=True)
class Resolved:
    """``genres`` has one genre per file of ``labels``; ``excluded`` holds the files that have none."""

    labels: Labels
    genres: list[str]
    excluded: list[Excluded]
    notes: list[str]


def resolve(labels: Labels, settings: LabelSettings) -> Resolved:
    """Choose one genre per file.

    Raises:
        DatasetError: the map or the tree cannot be read, or is needed and missing.
    """
    tree = read_tree(Path(settings.tree)) if settings.tree else labels.tree
    if settings.level == "top" and tree is None:
        raise DatasetError(
            "The level top needs a tree of genres, which this source does not have: name a table with the columns "
            "child and parent with --tree."
        )
    canonical = _canonical(labels, settings)
    named = [_unique(canonical(genre) for genre in file.genres) for file in labels.files]
    if tree is not None:
        named = [_unique(map(tree.title, genres)) for genres in named]
        if settings.level == "top":
            named = [_unique(map(tree.top, genres)) for genres in named]
    counts = Counter(genre for genres in named for genre in genres)
    several = sum(len(genres) > 1 for genres in named)
    chosen = [_one(genres, settings, counts, tree) for genres in named]
    totals = Counter(genre for genre in chosen if genre)
    files, kept, excluded = [], [], []
    for file, genres, genre in zip(labels.files, named, chosen, strict=True):
        if reason := _reason(file, genres, genre, totals, settings):
            excluded.append(Excluded(file.name, reason))
        else:
            files.append(file)
            kept.append(genre)
    notes = []
    if several:
        how = {
            "first": "the first counts",
            "specific": "the most specific counts",
            "frequent": "the most frequent in the collection counts",
            "drop": "they are left out",
        }[settings.multiple]
        notes.append(
            f"{several:,} of {counted(len(named), 'file')} {'has' if several == 1 else 'have'} several genres: {how} "
            f"(--multiple {settings.multiple})."
        )
    small = [f"{genre} ({count})" for genre, count in sorted(totals.items()) if count < settings.min_clips]
    if small:
        notes.append(f"Left out, with fewer than {settings.min_clips} files: {', '.join(small)}.")
    return Resolved(replace(labels, files=files, tree=tree), kept, excluded, notes)


def _reason(file: LabelledFile, genres: list[str], genre: str, totals: Counter[str], settings: LabelSettings) -> str:
    """Why a file has no genre; empty if it has one."""
    if not file.genres:
        return "has no genre in its label source"
    if not genres:
        return f"has a genre that {Path(settings.map or '').name} leaves out ({printable(', '.join(file.genres))})"
    if not genre:
        return f"has several genres ({', '.join(map(printable, genres))})"
    if fault := name_fault(genre):
        return f"has a genre that {fault}"
    if totals[genre] < settings.min_clips:
        return f"is of a genre with fewer than {settings.min_clips} files ({printable(genre)})"
    return ""


def _one(genres: list[str], settings: LabelSettings, counts: Counter[str], tree: GenreTree | None) -> str:
    if len(genres) < 2:
        return genres[0] if genres else ""
    match settings.multiple:
        case "first":
            return genres[0]
        case "frequent":
            return max(genres, key=lambda genre: counts[genre])
        case "specific":
            return max(genres, key=lambda genre: (len(tree.path(genre)) if tree else 0, -counts[genre]))
        case "drop":
            return ""


def _canonical(labels: Labels, settings: LabelSettings) -> Callable[[str], str]:
    """A function that normalises the spelling of genres. Case and spaces are ignored, except in names of folders."""
    spellings: dict[str, Counter[str]] = defaultdict(Counter)
    if labels.kind not in ("folders", "flat"):
        for file in labels.files:
            for genre in file.genres:
                spellings[_folded(genre)][genre] += 1
    best = {key: max(sorted(found), key=lambda spelling: found[spelling]) for key, found in spellings.items()}
    if settings.map:
        best |= {_folded(name): genre for name, genre in read_table_of_two(Path(settings.map))}
    # The names of two folders may differ only in their Unicode normalisation, which is invisible.
    form = unicodedata.normalize if labels.kind != "flat" else lambda _, genre: genre
    return lambda genre: printable(form("NFC", best.get(_folded(genre), genre)).strip())


def _folded(genre: str) -> str:
    return " ".join(unicodedata.normalize("NFC", genre).casefold().split())


def _unique(genres: Iterable[str]) -> list[str]:
    return [genre for genre in dict.fromkeys(genres) if genre]
