"""A playlist a genre, in the extended M3U format that every player reads."""

import os
from collections import defaultdict
from pathlib import Path

from core.util.atomic import write_output
from core.util.errors import UserError


class Playlists:
    """Files are added as they are classified; ``save`` writes ``FOLDER/<label>.m3u8``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._entries: dict[str, list[str]] = defaultdict(list)

    def add(self, path: Path, labels: list[str], duration_s: float) -> str | None:
        """Adds a file under each label; returns why it cannot be in a playlist, if so."""
        place = os.path.relpath(path, self.folder)
        try:
            place.encode()
        except UnicodeEncodeError:
            return "is in no playlist: its name is no UTF-8"
        if "\n" in place or "\r" in place:
            return "is in no playlist: its name holds a line break"
        if place.startswith("#"):
            place = f"./{place}"  # a comment otherwise
        for label in labels:
            self._entries[label].append(f"#EXTINF:{round(duration_s)},{path.stem}\n{place}\n")
        return None

    def save(self) -> list[Path]:
        """The files written; whoever reads one meets the old or the new, whole.

        Raises:
            UserError: the folder cannot be made or written to.
        """
        written = []
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for label, entries in sorted(self._entries.items()):
                written.append(self.folder / f"{_file_name(label)}.m3u8")
                write_output(written[-1], ("#EXTM3U\n" + "".join(entries)).encode())
        except OSError as error:
            raise UserError(f"no playlists can be written to {self.folder}: {error.strerror}") from error
        return written


def _file_name(label: str) -> str:
    """A label as a file's name on any file system."""
    return "".join("-" if c in '/\\:*?"<>|' or not c.isprintable() else c for c in label).strip(". ") or "unnamed"
