"""Scanning a dataset for usable clips; every other file is excluded with a reason."""

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import msgspec

from core.dataset.clip import Clip, DatasetError, Excluded, OnProgress
from core.dataset.inspect_file import Decoding, FileInspection, inspect_files
from core.dataset.labels.decisions import current, is_overlay, labels_with, path_in, read_overlay
from core.dataset.labels.files import LabelledFile, find_audio
from core.dataset.labels.folders import genre_root, no_audio, unwrapped
from core.dataset.labels.source import LabelSource, read_labels
from core.dataset.labels.tree import GenreTree
from core.dataset.matching import RowCounts, match
from core.dataset.metadata import read_table
from core.dataset.pack_manifest import is_pack, packed_labels
from core.dataset.settings import KINDS, LabelSettings
from core.features.settings import FrontEndSettings
from core.util.archive.path import SUFFIXES as ARCHIVES
from core.util.archive.path import ArchivePath, as_path
from core.util.errors import reason
from core.util.text import counted, printable


@dataclass(frozen=True)
class Scan:
    """``clips`` are ordered by genre and name; ``genres`` are in alphabetical order."""

    root: Path
    clips: list[Clip]
    excluded: list[Excluded]
    genres: list[str]
    notes: list[str] = field(default_factory=list)
    """What a user should know about it, one sentence each."""
    labels: LabelSettings = field(default_factory=LabelSettings)
    """Settings that give the same labels again."""
    label_source: str = ""
    """Where the labels come from: ``labels: tracks.csv, column genre_top; 7,994 of 8,000 files matched``."""
    tree: GenreTree | None = None
    """The tree of genres, if the source has one."""
    has_split: bool = False
    """Whether the source defines a split of three parts in the column ``split``."""
    matching: RowCounts | None = None
    """How the rows of a table match the files; None without a table."""
    undecoded: int = 0
    """Clips of which only the header and both ends were read."""

    @property
    def hours(self) -> float:
        return sum(clip.duration_s for clip in self.clips) / 3600


def scan(
    folder: str | os.PathLike[str],
    *,
    labels: LabelSettings | None = None,
    index: Path | None = None,
    seconds: float = FrontEndSettings().seconds,
    on_progress: OnProgress | None = None,
) -> Scan:
    """Find every usable clip below ``folder`` and its genre.

    Files without an audio suffix are skipped; unusable ones are excluded with a reason. Each file is hashed, and its
    header and both ends are read; later scans inspect only files that changed. Damage in the middle of a file is found
    when its features are computed. The clips of a feature pack keep their order.

    Args:
        labels: where the genres come from; by default a public collection, a table, tags or a folder per genre is
            detected (see `core.dataset.labels.source.read_labels`).
        index: a table with more columns for the clips.
        seconds: length of the part at the beginning that is used; clips that are silent there are excluded.

    Raises:
        DatasetError: the folder does not exist, it has usable audio of fewer than two genres, or the labels cannot be
            read.
    """
    found = survey(folder, labels=labels, index=index, seconds=seconds, on_progress=on_progress)
    check_genres(found.genres, printable(found.root), found.label_source)
    return found


def check_genres(genres: Sequence[str], name: str, source: str = "") -> None:
    """Check that a dataset has at least two genres.

    Args:
        genres: the genres with usable clips.
        name: the dataset's name, for the message.
        source: where the labels come from, for the message.

    Raises:
        DatasetError: there is only one.
    """
    if len(genres) < 2:
        where = f" (now {source})" if source else ""
        raise DatasetError(
            f"{name} has only one genre with usable clips, {genres[0]}: a classifier needs clips of at least two; add "
            f"some of another genre, or name other labels with --labels or --label-column{where}."
        )


def survey(
    folder: str | os.PathLike[str],
    *,
    labels: LabelSettings | None = None,
    index: Path | None = None,
    seconds: float = FrontEndSettings().seconds,
    on_progress: OnProgress | None = None,
    decoding: Decoding | None = None,
) -> Scan:
    """As `scan`, but accepts a single genre.

    Args:
        decoding: decode complete files, and exclude those that are damaged anywhere.
    """
    if labels is not None and labels.source not in KINDS and is_overlay(Path(labels.source)):
        return _decided(Path(folder), labels, index, seconds, on_progress, decoding)
    try:
        folder = _existing(Path(folder))
        if is_pack(folder):
            return _packed(folder, labels or LabelSettings(), index)
        source = read_labels(folder, labels or LabelSettings(), index, on_progress)
    except OSError as error:
        raise DatasetError(f"{printable(folder)} cannot be listed: {reason(error).lower()}.") from error
    if not source.total:
        raise no_audio(source.root)
    if not source.files:
        raise DatasetError(
            f"None of the {source.total:,} audio files in {printable(source.root)} has a genre "
            f"({source.description}): {reasons(source.excluded)}; put them into a folder per genre, "
            f"tag them, or name a table with --labels.{''.join(f' {note}' for note in source.notes)}"
        )
    if index is not None:
        source = replace(source, files=_with_columns(source.files, index))
    return _inspect_all(source, seconds, on_progress, decoding)


def survey_unlabelled(
    folder: str | os.PathLike[str],
    *,
    seconds: float = FrontEndSettings().seconds,
    on_progress: OnProgress | None = None,
    decoding: Decoding | None = None,
) -> Scan:
    """All usable audio below ``folder``, as clips whose genre is empty.

    Raises:
        DatasetError: the folder does not exist, or has no usable audio.
    """
    excluded: list[Excluded] = []
    root = _existing(Path(folder))
    try:
        files = [LabelledFile(path, name, []) for path, name in find_audio(root, excluded)]
    except OSError as error:
        raise DatasetError(f"{printable(root)} cannot be listed: {reason(error).lower()}.") from error
    if not files:
        raise no_audio(root)
    described, none = "labels: none", [""] * len(files)
    source = LabelSource(root, files, none, excluded, [], described, LabelSettings(), None, False, len(files))
    return replace(_inspect_all(source, seconds, on_progress, decoding), genres=[])


def _decided(
    folder: Path,
    labels: LabelSettings,
    index: Path | None,
    seconds: float,
    on_progress: OnProgress | None,
    decoding: Decoding | None,
) -> Scan:
    """Apply the decisions of an overlay file, which may label files that have no genre in the source.

    Raises:
        DatasetError: no file has a label.
        UserError: the overlay cannot be read.
    """
    decisions = current(read_overlay(Path(labels.source)))
    given, found = msgspec.structs.replace(labels, source="auto", digest=""), None
    with suppress(DatasetError):
        found = survey(folder, labels=given, index=index, seconds=seconds, on_progress=on_progress, decoding=decoding)
    clips = list(found.clips) if found else []
    excluded = list(found.excluded) if found else []
    if found is None or not is_pack(found.root):
        everything = survey_unlabelled(folder, seconds=seconds, on_progress=on_progress, decoding=decoding)
        known = {clip.path for clip in clips}
        clips += [clip for clip in everything.clips if clip.path not in known]
        found = found or everything
    names = labels_with(clips, found.root, decisions)
    kept = [(clip, genre) for clip, genre in zip(clips, names, strict=True) if genre]
    if not kept:
        raise DatasetError(f"No file of {printable(found.root)} has a label in {printable(labels.source)}.")
    changed = sum(clip.genre != genre for clip, genre in kept)
    if not is_pack(found.root):
        relative = [path_in(found.root, clip) for clip, _ in kept]
        shown = _names(relative, [genre for _, genre in kept])
        kept = [(replace(clip, name=name), genre) for (clip, genre), name in zip(kept, shown, strict=True)]
    left_out = {path_in(found.root, clip) for clip, genre in zip(clips, names, strict=True) if genre is None}
    decided = {path for path, _ in decisions}
    excluded = [file for file in excluded if file.path not in decided]
    excluded += [Excluded(path, "is excluded, or has no label") for path in sorted(left_out)]
    clips = [replace(clip, genre=genre) for clip, genre in kept]
    clips.sort(key=lambda clip: os.fsencode(clip.genre))
    contents = {clip.content for clip in [*clips, *found.clips]}
    strangers = sum(content not in contents for _, content in decisions)
    if decisions and strangers == len(decisions):
        raise DatasetError(
            f"No decision in {printable(labels.source)} ({strangers:,} in all) is about a file of "
            f"{printable(found.root)}: it belongs to another dataset; name that one's folder, or leave the file out."
        )
    notes = [f"Decisions about {counted(strangers, 'other file')} are ignored."] if strangers else []
    description = f"{found.label_source}; {printable(labels.source)} changes {changed:,} of {len(kept):,}"
    genres = sorted({clip.genre for clip in clips})
    settings = msgspec.structs.replace(labels, digest=_digest(clips, found.root))
    return replace(
        found,
        clips=clips,
        excluded=excluded,
        genres=genres,
        notes=found.notes + notes,
        labels=settings,
        label_source=description,
    )


def _digest(clips: Sequence[Clip], root: Path) -> str:
    lines = sorted(f"{path_in(root, clip)}\t{clip.genre}\n" for clip in clips)
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:32]


def _inspect_all(
    source: LabelSource, seconds: float, on_progress: OnProgress | None, decoding: Decoding | None
) -> Scan:
    """The clips of all usable labelled files."""
    root, excluded = source.root, list(source.excluded)
    paths = [file.path for file in source.files]
    relative = [file.name for file in source.files]
    names = _names(relative, source.genres)
    clips: list[Clip] = []
    findings = inspect_files(root, list(zip(paths, relative, strict=True)), on_progress, decoding)
    for file, genre, name, finding in zip(source.files, source.genres, names, findings, strict=True):
        reason = finding if isinstance(finding, str) else finding.rejection(seconds)
        if isinstance(finding, str) or reason is not None:
            excluded.append(Excluded(file.name, reason or "", genre))
        else:
            clips.append(_clip(file.path, genre, name, finding, file.columns))
    if not clips:
        raise DatasetError(
            f"None of the {len(paths)} audio files in {printable(root)} can be used: {reasons(excluded)}."
        )
    clips.sort(key=lambda clip: os.fsencode(clip.genre))
    genres = sorted({clip.genre for clip in clips})
    lost = sorted(set(source.genres) - set(genres))
    notes = [f"The genre {genre} has no usable clip and is left out." for genre in lost]
    return Scan(
        root,
        clips,
        excluded,
        genres,
        notes + source.notes,
        source.settings,
        source.description,
        source.tree,
        source.has_split,
        source.matching,
        sum(not isinstance(one, str) and one.reason is None and not one.is_decoded for one in findings),
    )


def _existing(folder: Path) -> Path:
    """The dataset's folder, or the top folder of an archive.

    Raises:
        DatasetError: it does not exist.
    """
    folder = as_path(folder)
    if not folder.exists():
        raise DatasetError(f"There is no folder or archive {printable(folder)}.")
    if not folder.is_dir():
        raise DatasetError(
            f"{printable(folder)} is a file; a dataset is a folder with a folder for each genre, or an archive "
            f"({', '.join(ARCHIVES)})."
        )
    if isinstance(folder, ArchivePath):
        inner = unwrapped(folder)
        if is_pack(inner):
            raise DatasetError(f"{printable(folder)} holds a feature pack: unpack it, and use the folder.")
        return inner
    return genre_root(folder) if is_pack(genre_root(folder)) else folder


def _names(files: list[str], genres: list[str]) -> list[str]:
    """A name for each clip, unique within its genre: the file's stem, else its name, else its path."""
    parts = [PurePosixPath(file) for file in files]
    stems = Counter(zip(genres, (part.stem for part in parts), strict=True))
    full = Counter(zip(genres, (part.name for part in parts), strict=True))
    names = []
    for genre, part in zip(genres, parts, strict=True):
        if stems[genre, part.stem] == 1:
            names.append(part.stem)
        else:
            names.append(part.name if full[genre, part.name] == 1 else " - ".join(part.parts))
    return names


def _with_columns(files: list[LabelledFile], index: Path) -> list[LabelledFile]:
    rows = match(read_table(index), [file.name for file in files]).rows
    return [replace(file, columns=file.columns | row) for file, row in zip(files, rows, strict=True)]


def _clip(path: Path, genre: str, name: str, finding: FileInspection, columns: dict[str, str]) -> Clip:
    return Clip(
        path=path,
        genre=genre,
        name=name,
        content=finding.content,
        rate=finding.rate,
        channels=finding.channels,
        format=finding.format,
        duration_s=finding.duration_s,
        silent_s=(finding.silent_s, finding.silent_end_s),
        columns=columns,
    )


def _packed(root: Path, labels: LabelSettings, index: Path | None) -> Scan:
    """Scan a feature pack; ``index`` adds columns."""
    clips, found = packed_labels(root, labels, index)
    genres = sorted({clip.genre for clip in clips})
    notes = found.labels.notes + found.notes
    described = f"labels: {found.labels.description}"
    counts = found.labels.matching
    return Scan(root, clips, found.excluded, genres, notes, labels, described, found.labels.tree, matching=counts)


def reasons(excluded: list[Excluded]) -> str:
    """The three most frequent reasons with their counts."""
    counted = Counter(item.reason.split(":")[0].split(" (")[0] for item in excluded)
    return ", ".join(f"{count} × {reason}" for reason, count in counted.most_common(3))
