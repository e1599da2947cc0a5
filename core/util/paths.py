"""The user's folders of settings, state and cache, and file names made of text from outside."""

import os
import unicodedata
from pathlib import Path

import platformdirs

from core.util.errors import UserError
from core.util.text import UNSAFE

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
"""Bytes, leaving room for a suffix."""
RESERVED = '/\\:*?"<>|'
"""Characters that some file system does not take."""


def name_fault(text: object) -> str | None:
    """What makes a genre or clip name from outside unacceptable; None for one that is fine.

    Separators are fine, as in ``Hip-Hop/Rap``: `file_name` replaces them. What is not is a name that is a path to
    somewhere else, or that holds control characters.
    """
    if not isinstance(text, str):
        return "is not text"
    if not text.strip():
        return "is empty"
    if UNSAFE.search(text):
        return "holds control characters"
    parts = text.replace("\\", "/").split("/")
    return "is a path out of its folder" if ".." in parts or parts[0] == "" or text == "." else None


def file_name(text: str) -> str:
    """``text`` as a file name for any file system, `LONGEST_NAME` bytes at most: ``Hip-Hop/Rap`` → ``Hip-Hop-Rap``."""
    name = UNSAFE.sub("-", "".join("-" if c in RESERVED else c for c in text))
    name = name.encode(errors="replace")[:LONGEST_NAME].decode(errors="ignore")
    return name.strip(". ") or "unnamed"


class FileNames:
    """A file name for each text, different for different texts, also where case does not count."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._taken: set[str] = set()

    def __getitem__(self, text: str) -> str:
        if text not in self._names:
            base, number = file_name(text), 1
            name = base
            while _folded(name) in self._taken:
                number += 1
                name = f"{base} ({number})"
            self._taken.add(_folded(name))
            self._names[text] = name
        return self._names[text]


def inside(folder: Path, *parts: str) -> Path:
    """``folder/part/...``, which must not leave the folder.

    Raises:
        UserError: it would.
    """
    for part in parts:
        if part in ("", ".", "..") or "/" in part or "\0" in part:
            raise UserError(f"{part!r} is not a name for a file in {folder}.")
    return folder.joinpath(*parts)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
