"""One accent and one colour per role in each theme."""

import re
from itertools import combinations
from pathlib import Path

import pytest
from textual.theme import Theme

import tui
from tui.shell.themes import PALETTES, ROLES, THEMES

ROLES_OF_TEXTUAL = r"\$(primary|secondary|success|warning|error)\b"
NAMED = re.compile(rf"#[0-9a-fA-F]{{6}}\b|{ROLES_OF_TEXTUAL}|\bansi_|\"(red|green|blue|yellow)\"")


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_a_role_has_one_colour_of_its_own(theme: Theme) -> None:
    palette = PALETTES[theme.name]
    colours = {role: theme.variables[role] for role in ROLES}
    assert colours == {role: getattr(palette, role) for role in ROLES}
    for one, other in combinations(ROLES, 2):
        assert colours[one] != colours[other], (one, other)


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_there_is_one_accent(theme: Theme) -> None:
    same = {theme.accent, theme.primary, theme.variables["accent"], theme.variables["footer-key-foreground"]}
    assert same == {PALETTES[theme.name].train}


def test_screens_name_roles_and_not_colours() -> None:
    package = Path(tui.__file__).parent
    files = [*package.rglob("*.py"), *package.rglob("*.tcss")]
    found = [
        f"{path.name}:{number}: {line.strip()}"
        for path in files
        if path.name != "themes.py"
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if NAMED.search(line)
    ]
    assert found == []
