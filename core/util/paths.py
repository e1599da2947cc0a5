"""The user's folders for settings, state and cache, and file names made from untrusted text."""

import os
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import platformdirs

from core.util.errors import UserError
from core.util.text import UNSAFE, printable

_APP = "genre-tui"


def config_folder() -> Path:
    """``$XDG_CONFIG_HOME/genre-tui``, or ``~/.config/genre-tui``."""
    return platformdirs.user_config_path(_APP)


def state_folder() -> Path:
    """``$XDG_STATE_HOME/genre-tui``, or ``~/.local/state/genre-tui``: logs, views, the undo journals of tags."""
    return platformdirs.user_state_path(_APP)


def cache_folder() -> Path:
    """``$GENRE_TUI_CACHE``, ``$XDG_CACHE_HOME/genre-tui``, or ``~/.cache/genre-tui``: all of it may be deleted."""
    chosen = os.environ.get("GENRE_TUI_CACHE")
    return Path(chosen).expanduser() if chosen else platformdirs.user_cache_path(_APP)


LONGEST_NAME = 200
"""Most bytes of a file name, which leaves room for a suffix."""
LONGEST_GENRE = 200
"""Most characters of a genre or clip name; no label is longer, and a message or a table could not show it."""
RESERVED = '/\\:*?"<>|'
"""Characters that some file systems do not support."""


def name_fault(text: object) -> str | None:
    """Why an untrusted genre or clip name is invalid; None for a valid one.

    Separators, as in ``Hip-Hop/Rap``, are valid, because `file_name` replaces them. Paths that lead out of the folder
    and control characters are not.
    """
    if not isinstance(text, str):
        return "is not text"
    if not text.strip():
        return "is empty"
    if UNSAFE.search(text):
        return "holds control characters"
    if len(text) > LONGEST_GENRE:
        return f"is longer than {LONGEST_GENRE} characters"
    parts = text.replace("\\", "/").split("/")
    return "is a path out of its folder" if ".." in parts or parts[0] == "" or text == "." else None


def genres_fault(genres: Sequence[object]) -> str | None:
    """Why the untrusted genres of a model are invalid; None for valid ones."""
    if len(genres) < 2:
        return "it has fewer than two genres"
    for genre in genres:
        if fault := name_fault(genre):
            return f"its genre {printable(str(genre)[:LONGEST_GENRE])!r} {fault}"
    return "it names a genre twice" if len(set(genres)) < len(genres) else None


def file_name(text: str) -> str:
    """A file name for any file system, of at most `LONGEST_NAME` bytes: ``Hip-Hop/Rap`` → ``Hip-Hop-Rap``."""
    name = UNSAFE.sub("-", "".join("-" if c in RESERVED else c for c in text))
    name = name.encode(errors="replace")[:LONGEST_NAME].decode(errors="ignore")
    return name.strip(". ") or "unnamed"


class FileNames:
    """Maps texts to distinct file names, which differ in more than case."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._taken: set[str] = set()

    def __getitem__(self, text: str) -> str:
        if text not in self._names:
            base, number = file_name(text), 1
            name = base
            while folded(name) in self._taken:
                number += 1
                name = f"{base} ({number})"
            self._taken.add(folded(name))
            self._names[text] = name
        return self._names[text]


def inside(folder: Path, *parts: str) -> Path:
    """Join a folder and untrusted parts, which must not lead out of it.

    Raises:
        UserError: a part leads out of the folder.
    """
    for part in parts:
        if part in ("", ".", "..") or "/" in part or "\0" in part:
            raise UserError(f"{part!r} is not a name for a file in {folder}.")
    return folder.joinpath(*parts)


def folded(name: str) -> str:
    """A key that is equal for names of one file where the file system ignores case or normalises accents."""
    return unicodedata.normalize("NFC", name).casefold()
