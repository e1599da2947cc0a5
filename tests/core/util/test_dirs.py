from pathlib import Path

import pytest

from core.util import dirs


def test_folders_follow_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GENRE_TUI_CACHE", raising=False)
    folders = {"CONFIG": dirs.config_folder, "STATE": dirs.state_folder, "CACHE": dirs.cache_folder}
    for variable, folder in folders.items():
        monkeypatch.setenv(f"XDG_{variable}_HOME", "/elsewhere")
        assert folder() == Path("/elsewhere/genre-tui")
        monkeypatch.delenv(f"XDG_{variable}_HOME")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert dirs.config_folder() == Path("/home/somebody/.config/genre-tui")
    assert dirs.state_folder() == Path("/home/somebody/.local/state/genre-tui")
    assert dirs.cache_folder() == Path("/home/somebody/.cache/genre-tui")
    monkeypatch.setenv("GENRE_TUI_CACHE", "~/fast")
    assert dirs.cache_folder() == Path("/home/somebody/fast")
