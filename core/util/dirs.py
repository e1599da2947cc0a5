"""Where things that can be computed again are kept."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """``$GENRE_TUI_CACHE``, or ``~/.cache/genre-tui``."""
    chosen = os.environ.get("GENRE_TUI_CACHE")
    return Path(chosen).expanduser() if chosen else Path.home() / ".cache" / "genre-tui"
