"""Writing one playlist per label, in the extended M3U format."""

import itertools
import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from core.util.archive.path import is_archive
from core.util.atomic import write_output
from core.util.errors import UserError


class Playlists:
    """Collects files as they are classified; `save` writes ``FOLDER/<label>.m3u8``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._entries: dict[str, list[str]] = defaultdict(list)

    def add(self, path: Path, labels: list[str], duration_s: float) -> str | None:
        """Add a file to the playlist of each label; returns the reason if it cannot be in a playlist."""
        try:
            entry = _entry(path, duration_s, self.folder)
        except ValueError as error:
            return f"is in no playlist: {error}"
        for label in labels:
            self._entries[label].append(entry)
        return None

    def save(self) -> list[Path]:
        """Write the playlists atomically; returns their paths.

        Raises:
            UserError: the folder cannot be created or written to.
        """
        written = []
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for label, name in _file_names(self._entries).items():
                entries = self._entries[label]
                written.append(self.folder / f"{name}.m3u8")
                write_output(written[-1], ("#EXTM3U\n" + "".join(entries)).encode())
        except OSError as error:
            raise UserError(f"no playlists can be written to {self.folder}: {error.strerror}") from error
        return written


def write_playlist(out: Path, files: Iterable[tuple[Path, float]]) -> list[str]:
    """Write a playlist of files with their lengths in seconds; returns a message for each file that it cannot contain.

    Raises:
        OSError: it cannot be written.
    """
    entries, skipped = [], []
    for path, duration_s in files:
        try:
            entries.append(_entry(path, duration_s, out.parent))
        except ValueError as error:
            skipped.append(f"{path} is not in the playlist: {error}")
    write_output(out, ("#EXTM3U\n" + "".join(entries)).encode())
    return skipped


def _entry(path: Path, duration_s: float, folder: Path) -> str:
    """The lines of a file in a playlist in ``folder``.

    Raises:
        ValueError: the file cannot be in a playlist.
    """
    if is_archive(path):
        raise ValueError("it is in an archive, which players do not open")
    # Players resolve ".." from the real path of the playlist.
    entry = os.path.relpath(path.parent.resolve() / path.name, folder.resolve())
    try:
        entry.encode()
    except UnicodeEncodeError:
        raise ValueError("its name is not UTF-8") from None
    if "\n" in entry or "\r" in entry:
        raise ValueError("its name holds a line break")
    if entry.startswith("#"):
        entry = f"./{entry}"  # otherwise it would be a comment
    return f"#EXTINF:{round(duration_s)},{path.stem}\n{entry}\n"


def _file_names(labels: Iterable[str]) -> dict[str, str]:
    """A file name for each label that is valid on any file system; duplicates are numbered."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for label in sorted(labels):
        plain = "".join("-" if c in '/\\:*?"<>|' or not c.isprintable() else c for c in label).strip(". ") or "unnamed"
        numbered = (f"{plain}-{number}" if number > 1 else plain for number in itertools.count(1))
        # Some file systems ignore case, and some normalise accents.
        names[label] = next(name for name in numbered if _folded(name) not in taken)
        taken.add(_folded(names[label]))
    return names


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
