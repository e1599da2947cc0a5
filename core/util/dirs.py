"""Where things live outside the run folders: settings, what can be computed again, and what should be kept."""

import os
from pathlib import Path

import platformdirs

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
