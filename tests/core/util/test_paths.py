"""Names from outside never lead out of a folder, and different names stay different files."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.util.errors import UserError
from core.util.paths import (
    LONGEST_NAME,
    FileNames,
    cache_folder,
    config_folder,
    file_name,
    inside,
    name_fault,
    state_folder,
)


def test_folders_follow_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GENRE_TUI_CACHE", raising=False)
    folders = {"CONFIG": config_folder, "STATE": state_folder, "CACHE": cache_folder}
    for variable, folder in folders.items():
        monkeypatch.setenv(f"XDG_{variable}_HOME", "/elsewhere")
        assert folder() == Path("/elsewhere/genre-tui")
        monkeypatch.delenv(f"XDG_{variable}_HOME")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert config_folder() == Path("/home/somebody/.config/genre-tui")
    assert state_folder() == Path("/home/somebody/.local/state/genre-tui")
    assert cache_folder() == Path("/home/somebody/.cache/genre-tui")
    monkeypatch.setenv("GENRE_TUI_CACHE", "~/fast")
    assert cache_folder() == Path("/home/somebody/fast")


@given(st.text(max_size=300))
def test_any_text_becomes_one_name_inside_the_folder(text: str) -> None:
    name = file_name(text)
    assert 0 < len(name.encode()) <= LONGEST_NAME
    assert inside(Path("folder"), name).parent == Path("folder")


@given(st.lists(st.text("aA/-.é", max_size=4), unique=True, max_size=12))
def test_different_texts_get_different_names_where_case_does_not_count(texts: list[str]) -> None:
    names = FileNames()
    given_names = [names[text] for text in texts]
    assert len({name.casefold() for name in given_names}) == len(texts)
    assert [names[text] for text in texts] == given_names, "a text keeps its name"


@pytest.mark.parametrize("part", ["", ".", "..", "../x", "/etc", "a/b", "a\0"])
def test_a_part_that_is_a_path_is_refused(part: str) -> None:
    with pytest.raises(UserError, match="is not a name for a file"):
        inside(Path("folder"), "rock", part)


@pytest.mark.parametrize(
    "name", ["../../evil", "/etc/x", "..", ".", "", "  ", "a\\..\\b", "ro\x1b[2Jck", "a\nb", 7, None]
)
def test_names_that_are_paths_or_hold_control_characters_are_faulty(name: object) -> None:
    assert name_fault(name)


@pytest.mark.parametrize("name", ["rock", "Hip-Hop/Rap", "R&B", "演歌", "a..b", "blues.00000", "...", "música ligera"])
def test_ordinary_names_are_fine(name: str) -> None:
    assert name_fault(name) is None
