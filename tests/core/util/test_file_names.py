"""Names from outside never lead out of a folder, and different names stay different files."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.util.errors import UserError
from core.util.file_names import LONGEST_NAME, FileNames, file_name, inside, name_fault


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
