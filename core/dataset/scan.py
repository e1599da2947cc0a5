"""Scanning a folder of genres: its usable clips, and every other file with the reason why it was left out."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from core.audio.errors import AudioError
from core.audio.files.formats import is_audio
from core.dataset.clip import Clip, DatasetError, Excluded
from core.dataset.inspect_file import FileInspection, ScanCache, Stamp, inspect_file, stamp_of
from core.dataset.metadata import INDEX_NAME, Matching, match, match_clips, read_table
from core.dataset.pack_manifest import is_pack, read_pack_index
from core.features.settings import FrontEndSettings
from core.util.parallel import cores, ordered_map
from core.util.text import printable

OnProgress = Callable[[int, int], None]
"""Called with the number of files inspected so far and the total."""


@dataclass(frozen=True)
class Scan:
    """``clips`` are ordered by genre and name; ``genres`` are in alphabetical order."""

    root: Path
    clips: list[Clip]
    excluded: list[Excluded]
    genres: list[str]
    notes: list[str] = field(default_factory=list)
    """What a user should know about it, one sentence each."""

    @property
    def hours(self) -> float:
        return sum(clip.duration_s for clip in self.clips) / 3600


def scan(
    folder: str | os.PathLike[str],
    *,
    index: Path | None = None,
    seconds: float = FrontEndSettings().seconds,
    on_progress: OnProgress | None = None,
) -> Scan:
    """Every usable clip in ``folder/<genre>/*``, or in ``folder/genres/<genre>/*`` if that exists.

    Files without an audio suffix are passed over; unusable ones are excluded, each with its reason. Columns come from
    the table ``index``, otherwise from ``index.csv`` in the folder. Files are hashed and decoded once; a later scan
    inspects only those that changed. A feature pack is accepted too, and its clips keep their order.

    Args:
        seconds: length of the part that is used, from the beginning; a clip that is silent there is excluded.

    Raises:
        DatasetError: there is no such folder, it holds no usable audio, or fewer than two genres of it.
    """
    found = survey(folder, index=index, seconds=seconds, on_progress=on_progress)
    check_genres(found.genres, printable(found.root))
    return found


def check_genres(genres: Sequence[str], name: str) -> None:
    """
    Raises:
        DatasetError: there are fewer than two.
    """
    if len(genres) < 2:
        raise DatasetError(
            f"{name} has only one genre with usable clips, {genres[0]}: "
            "a classifier needs clips of at least two, each genre in a folder of its own."
        )


def survey(
    folder: str | os.PathLike[str],
    *,
    index: Path | None = None,
    seconds: float = FrontEndSettings().seconds,
    on_progress: OnProgress | None = None,
) -> Scan:
    """The same for a folder that is only looked at: one genre is enough."""
    excluded: list[Excluded] = []
    try:
        root = _root(Path(folder))
        if is_pack(root):
            return _packed(root, index)
        files = list(_audio_files(root, excluded))
    except OSError as error:
        raise DatasetError(
            f"{printable(folder)} cannot be listed: {(error.strerror or str(error)).lower()}."
        ) from error
    if not files:
        raise DatasetError(
            f"{printable(root)} holds no audio: it should have a folder for each genre, with that genre's clips inside."
        )
    relative = [printable(path.relative_to(root)) for path in files]
    metadata = _metadata((Path(folder), root), index, relative)
    columns = metadata.rows if metadata else [{}] * len(files)
    names = Counter((path.parent.name, path.stem) for path in files)
    clips: list[Clip] = []
    cache = ScanCache(root)
    for done, (path, row, finding) in enumerate(
        zip(files, columns, _inspected(files, relative, cache), strict=True), start=1
    ):
        reason = finding if isinstance(finding, str) else finding.rejection(seconds)
        if isinstance(finding, str) or reason is not None:
            excluded.append(Excluded(relative[done - 1], reason or ""))
        else:
            unique = names[path.parent.name, path.stem] == 1
            clips.append(_clip(path, printable(path.stem if unique else path.name), finding, row))
        if on_progress:
            on_progress(done, len(files))
    cache.save()
    if not clips:
        raise DatasetError(
            f"None of the {len(files)} audio files in {printable(root)} can be used: {_reasons(excluded)}."
        )
    genres = sorted({clip.genre for clip in clips})
    lost = sorted({printable(path.parent.name) for path in files} - set(genres))
    notes = [f"The genre {genre} has no usable clip and is left out." for genre in lost]
    return Scan(root, clips, excluded, genres, notes + (metadata.notes if metadata else []))


def _root(folder: Path) -> Path:
    if not folder.exists():
        raise DatasetError(f"There is no folder {printable(folder)}.")
    if not folder.is_dir():
        raise DatasetError(f"{printable(folder)} is a file; a dataset is a folder with a folder for each genre.")
    inner = folder / "genres"
    return inner if inner.is_dir() else folder


def _audio_files(root: Path, excluded: list[Excluded]) -> Iterator[Path]:
    """Audio files of every genre, sorted; folders that cannot be listed or hold no audio are excluded by name."""
    for genre in _listed(root):
        if genre.name.startswith((".", "__")) or not genre.is_dir():
            continue
        try:
            inside = [path for path in _listed(genre) if not path.name.startswith(".")]
        except OSError as error:
            excluded.append(Excluded(printable(genre.name), f"cannot be listed ({(error.strerror or '').lower()})"))
            continue
        files = [path for path in inside if is_audio(path)]
        if not files:
            excluded.append(Excluded(printable(genre.name), "is a folder without audio files"))
        for path in inside:
            if not is_audio(path) and path.is_dir():
                reason = "is a folder; clips lie directly in the folder of their genre"
                excluded.append(Excluded(printable(path.relative_to(root)), reason))
        yield from files


def _listed(folder: Path) -> list[Path]:
    return sorted(folder.iterdir(), key=lambda path: os.fsencode(path.name))


def _inspected(files: list[Path], keys: list[str], cache: ScanCache) -> Iterator[FileInspection | str]:
    """What each file holds, in order, or why it cannot be read; one file per thread. ``keys`` are the cache's."""

    def inspect(file: tuple[Path, str]) -> tuple[Stamp | None, FileInspection | str]:
        path, key = file
        try:
            stamp = stamp_of(path)
            return stamp, cache.get(key, stamp) or inspect_file(path)
        except AudioError as error:
            return None, error.reason
        except OSError as error:
            return None, f"cannot be read ({(error.strerror or str(error)).lower()})"

    pairs = list(zip(files, keys, strict=True))
    for (_, key), (stamp, finding) in zip(pairs, ordered_map(inspect, pairs, cores()), strict=True):
        if stamp and not isinstance(finding, str):
            cache.put(key, stamp, finding)
        yield finding


def _clip(path: Path, name: str, finding: FileInspection, columns: dict[str, str]) -> Clip:
    return Clip(
        path=path,
        genre=printable(path.parent.name),
        name=name,
        content=finding.content,
        rate=finding.rate,
        channels=finding.channels,
        format=finding.format,
        duration_s=finding.duration_s,
        columns=columns,
    )


def _packed(root: Path, index: Path | None) -> Scan:
    """The clips of a feature pack, with the columns of ``index`` beside its own."""
    clips, notes = read_pack_index(root).clips, []
    if index:
        metadata = match_clips(read_table(index), clips)
        notes = metadata.notes
        rows = zip(clips, metadata.rows, strict=True)
        clips = [replace(clip, columns={**clip.columns, **row}) for clip, row in rows]
    return Scan(root, clips, [], sorted({clip.genre for clip in clips}), notes)


def _metadata(folders: tuple[Path, Path], index: Path | None, files: list[str]) -> Matching | None:
    """The rows of ``index``, otherwise those of an ``index.csv`` in the named folder or beside the genres."""
    own = next((folder / INDEX_NAME for folder in folders if (folder / INDEX_NAME).is_file()), None)
    chosen = index or own
    return match(read_table(chosen), files) if chosen else None


def _reasons(excluded: list[Excluded]) -> str:
    counted = Counter(item.reason.split(":")[0].split(" (")[0] for item in excluded)
    return ", ".join(f"{count} × {reason}" for reason, count in counted.most_common(3))
