"""A folder of genres → its usable clips, and every other file with the reason why it was left out."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from core.audio.errors import AudioError
from core.audio.files.formats import is_audio
from core.dataset.clip import Clip, DatasetError, Excluded
from core.dataset.inspect_file import FileInspection, ScanCache, Stamp, inspect_file, stamp_of
from core.dataset.metadata import INDEX_NAME, read_index
from core.dataset.pack_manifest import is_pack, read_pack_index
from core.util.parallel import cores, ordered_map
from core.util.text import printable

OnProgress = Callable[[int, int], None]
"""Called with the number of files inspected so far, and of all."""


@dataclass(frozen=True)
class Scan:
    """``clips`` are ordered by genre and name; ``genres`` are in alphabetical order."""

    root: Path
    clips: list[Clip]
    excluded: list[Excluded]
    genres: list[str]

    @property
    def hours(self) -> float:
        return sum(clip.duration_s for clip in self.clips) / 3600


def scan(folder: str | os.PathLike[str], *, index: Path | None = None, on_progress: OnProgress | None = None) -> Scan:
    """Every clip in ``folder/<genre>/*``, or ``folder/genres/<genre>/*`` where that is there.

    Files without an audio suffix are passed over; files that are no good are excluded. Columns come from ``index``,
    else from ``index.csv`` in the folder. Files are hashed and decoded once; a later scan looks only at changed ones.
    A feature pack is as good as a folder, and its clips keep their order.

    Raises:
        DatasetError: there is no such folder, it holds no audio, or a single genre.
    """
    found = survey(folder, index=index, on_progress=on_progress)
    if len(found.genres) < 2:
        raise DatasetError(
            f"{printable(found.root)} holds a single genre, {found.genres[0]}: "
            "a classifier needs clips of at least two, each genre in a folder of its own."
        )
    return found


def survey(folder: str | os.PathLike[str], *, index: Path | None = None, on_progress: OnProgress | None = None) -> Scan:
    """The same for a folder that is looked at and not trained on: a single genre will do."""
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
    columns = _columns((Path(folder), root), index)
    names = Counter((path.parent.name, path.stem) for path in files)
    clips: list[Clip] = []
    cache = ScanCache(root)
    for done, (path, finding) in enumerate(_inspected(root, files, cache), start=1):
        if isinstance(finding, str):
            excluded.append(Excluded(printable(path.relative_to(root)), finding))
        else:
            unique = names[path.parent.name, path.stem] == 1
            name = printable(path.stem if unique else path.name)
            clips.append(_clip(path, name, finding, columns.get(printable(path.stem), {})))
        if on_progress:
            on_progress(done, len(files))
    cache.save()
    if not clips:
        raise DatasetError(
            f"None of the {len(files)} audio files in {printable(root)} can be used: {_reasons(excluded)}."
        )
    return Scan(root, clips, excluded, sorted({clip.genre for clip in clips}))


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


def _inspected(root: Path, files: list[Path], cache: ScanCache) -> Iterator[tuple[Path, FileInspection | str]]:
    """Each file in order with what was found, or with the reason against it; decoded in one thread a core."""

    def look(path: Path) -> tuple[Stamp | None, FileInspection | str]:
        try:
            stamp = stamp_of(path)
            return stamp, cache.get(key(path), stamp) or inspect_file(path)
        except AudioError as error:
            return None, error.reason
        except OSError as error:
            return None, f"cannot be read ({(error.strerror or str(error)).lower()})"

    def key(path: Path) -> str:
        return printable(path.relative_to(root))

    for path, (stamp, finding) in zip(files, ordered_map(look, files, cores()), strict=True):
        if isinstance(finding, str):
            yield path, finding
            continue
        if stamp:
            cache.put(key(path), stamp, finding)
        yield path, finding.reason or finding


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
    clips = read_pack_index(root).clips
    if index:
        columns = read_index(index)
        clips = [replace(clip, columns={**clip.columns, **columns.get(clip.name, {})}) for clip in clips]
    return Scan(root, clips, [], sorted({clip.genre for clip in clips}))


def _columns(folders: tuple[Path, Path], index: Path | None) -> dict[str, dict[str, str]]:
    """Those of ``index``, else of an ``index.csv`` in the folder that was named or beside the genres."""
    own = next((folder / INDEX_NAME for folder in folders if (folder / INDEX_NAME).is_file()), None)
    chosen = index or own
    return read_index(chosen) if chosen else {}


def _reasons(excluded: list[Excluded]) -> str:
    counted = Counter(item.reason.split(":")[0].split(" (")[0] for item in excluded)
    return ", ".join(f"{count} × {reason}" for reason, count in counted.most_common(3))
