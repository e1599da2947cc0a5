"""Expanding files, folders, archives and patterns to audio files. Imports no torch and opens no files."""

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from core.audio.files.formats import is_audio
from core.inference.types import Unreadable
from core.util.archive.path import ArchivePath, archive_faults, as_path, is_archive, is_folder, list_folder
from core.util.errors import reason
from core.util.files import DEEPEST
from core.util.text import printable

Found = Path | Unreadable


def find_files(arguments: Iterable[str | os.PathLike[str]]) -> Iterator[Found]:
    """Yield the audio files, each once, in a stable order, and an `Unreadable` for arguments and folders without any.

    Named files may have any suffix; folders and archives are searched recursively for audio suffixes, following
    symbolic links. Hidden files and folders are skipped.
    """
    seen: set[str] = set()
    for argument in arguments:
        for found in _meant(Path(argument)):
            # A file given by two arguments is one file; a copy or link with another name is not.
            key = found.path if isinstance(found, Unreadable) else os.path.abspath(found)  # noqa: PTH100 - keeps links
            if key not in seen:
                seen.add(key)
                yield found


def _meant(path: Path) -> Iterator[Found]:
    if os.path.isdir(path):  # noqa: PTH112 - no error for a name that no file can have
        yield from _in_folder(path)
    elif is_archive(path) and as_path(path).is_dir():
        yield from _in_folder(as_path(path))
    elif not os.path.lexists(path) and glob.has_magic(os.fspath(path)):
        matches = sorted(glob.glob(os.fspath(path), recursive=True))  # noqa: PTH207 - absolute patterns too
        if not matches:
            yield Unreadable(path=printable(path), error="no file fits this pattern")
        for match in matches:
            if os.path.isdir(match):  # noqa: PTH112
                yield from _in_folder(Path(match))
            elif is_audio(match) or not glob.has_magic(path.name):
                yield Path(match)
    else:
        yield path


def _in_folder(folder: Path) -> Iterator[Found]:
    any_found = False
    for found in _walk(folder, frozenset()):
        any_found = True
        yield found
    if not any_found:
        yield Unreadable(
            path=printable(folder),
            error=f"no audio files in this {'archive' if isinstance(folder, ArchivePath) else 'folder'}",
        )


def _walk(folder: Path, above: frozenset[tuple[int, int]]) -> Iterator[Found]:
    """``above`` are the parents of this folder; links to them are loops and are not followed."""
    try:
        status = folder.stat()
        entries = list_folder(folder)
        faults = archive_faults(folder)
    except OSError as error:
        yield Unreadable(path=printable(folder), error=f"cannot be searched ({reason(error).lower()})")
        return
    for name, fault in faults:
        yield Unreadable(path=printable(folder / name), error=fault)
    here = above | {(status.st_dev, status.st_ino)}
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if is_folder(entry):
            inner = folder / entry.name
            try:
                status = inner.stat()
            except OSError:
                continue  # it was deleted in the meantime
            if len(here) > DEEPEST:
                yield Unreadable(path=printable(inner), error=f"is more than {DEEPEST} folders deep")
            elif (status.st_dev, status.st_ino) not in here:
                yield from _walk(inner, here)
        elif is_audio(entry.name):
            yield folder / entry.name
