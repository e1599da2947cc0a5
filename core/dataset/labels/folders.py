"""Labels from a folder per genre: ``genre/track``, ``genre/Artist/Album/track``, or ``train/genre/track``."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from core.audio.files.formats import is_audio
from core.dataset.clip import DatasetError, Excluded
from core.dataset.labels.files import SPLIT_NAMES, TABLE_SUFFIXES, LabelledFile, Labels, entries, find_audio
from core.dataset.matching import Matching, match
from core.dataset.metadata import INDEX_NAME, Table, read_table
from core.util.text import counted, printable

SPLIT_LISTS = {
    f"{name}{ending}": part for name, part in SPLIT_NAMES.items() for ending in (".txt", "_filtered.txt", ".lst")
}
"""Text files that list the files of a part of the split, one per line."""


def genre_root(folder: Path) -> Path:
    """The folder that holds the genre folders: ``folder`` itself, or a folder ``genres`` in it."""
    for inner in ("genres", "genres_original", "Data/genres_original", "BallroomData"):
        if (folder / inner).is_dir():
            return folder / inner
    return folder


def unwrapped(archive: Path) -> Path:
    """The top folder of an archive's content: most archives hold a single folder."""
    folder = archive
    while len(inner := [path for path in entries(folder) if not path.name.startswith((".", "__"))]) == 1:
        held = entries(inner[0]) if inner[0].is_dir() else []
        is_genre = any(map(is_audio, held)) and not any(path.suffix.lower() in TABLE_SUFFIXES for path in held)
        if not held or is_genre:
            break
        folder = inner[0]
    return folder


def folder_labels(folder: Path, index: Path | None = None, *, deep: bool = True, name: str = "") -> Labels:
    """Genres from the first folder of each path; columns from ``index``, or from an ``index.csv`` in the folder.

    Args:
        deep: whether files in subfolders of the genre's folder count.
        name: the collection's name, for the description.

    Raises:
        OSError: the folder cannot be listed.
        DatasetError: the index cannot be used.
    """
    root = genre_root(folder)
    excluded: list[Excluded] = []
    files = find_audio(root, excluded, deep=deep)
    parts = [tuple(file.name.split("/")) for file in files]
    split_folders = _is_split({part[0].casefold() for part in parts if len(part) > 1}) and deep
    labelled = []
    for (path, shown), names in zip(files, parts, strict=True):
        inside = names[1:] if split_folders and len(names) > 1 else names
        if len(inside) == 1:
            if deep:
                hint = "is outside the genre folders: move it into one, or name a table of genres with --labels"
                excluded.append(Excluded(shown, hint))
            continue
        columns = {"split": SPLIT_NAMES[names[0].casefold()]} if split_folders else {}
        if len(inside) == 4:
            columns |= {"artist": inside[1], "album": inside[2]}
        labelled.append(LabelledFile(path, shown, [inside[0]], columns))
    excluded += _empty_folders(root, labelled, excluded)
    rows = metadata((folder, root), index, [file.name for file in labelled])
    if rows:
        labelled = [replace(file, columns=file.columns | row) for file, row in zip(labelled, rows.rows, strict=True)]
    else:
        labelled = _with_split_lists((folder, root), labelled)
    many = len({file.genres[0] for file in labelled})
    description = f"{name or 'a folder per genre'}; {counted(len(labelled), 'file')} of {counted(many, 'genre')}"
    kind = "folders" if deep else "flat"
    return Labels(
        root,
        labelled,
        description,
        kind,
        excluded=excluded,
        notes=rows.notes if rows else [],
        total=len(files),
        own_split=split_folders,
        matching=rows.counts() if rows else None,
    )


def metadata(folders: tuple[Path, Path], index: Path | None, files: list[str]) -> Matching | None:
    """The rows of ``index``, or else those of an ``index.csv`` in one of the folders."""
    own = next((folder / INDEX_NAME for folder in folders if (folder / INDEX_NAME).is_file()), None)
    chosen = index or own
    return match(read_table(chosen), files) if chosen else None


def _is_split(names: set[str]) -> bool:
    """Whether folders are named after the parts of a split and not after genres."""
    return len(names) > 1 and all(name in SPLIT_NAMES for name in names)


def _empty_folders(root: Path, labelled: list[LabelledFile], excluded: list[Excluded]) -> Iterator[Excluded]:
    """Folders of the first level without audio."""
    shown = {name.partition("/")[0] for name in [*(file.name for file in labelled), *(one.path for one in excluded)]}
    for path in entries(root):
        if not path.name.startswith((".", "__")) and printable(path.name) not in shown and path.is_dir():
            yield Excluded(printable(path.name), "is a folder without audio files", printable(path.name))


def _with_split_lists(folders: tuple[Path, Path], files: list[LabelledFile]) -> list[LabelledFile]:
    """Add the column ``split`` if there are lists such as ``train_filtered.txt``."""
    rows = [
        {"path": line.strip(), "split": part}
        for folder in dict.fromkeys(folders)
        for name, part in SPLIT_LISTS.items()
        if (folder / name).is_file()
        for line in (folder / name).read_text(errors="replace").split("\n")
        if line.strip()
    ]
    if not rows:
        return files
    lists = Table(folders[0], ["path", "split"], rows)
    parts = match(lists, [file.name for file in files]).rows
    return [
        replace(file, columns={"split": row.get("split", "")} | file.columns)
        for file, row in zip(files, parts, strict=True)
    ]


def no_audio(folder: Path) -> DatasetError:
    return DatasetError(
        f"{printable(folder)} holds no audio: it should have a folder for each genre, with that genre's clips inside, "
        "or audio with tags or a table of genres."
    )
