"""How every screen looks with many, long, wide and combining names, in four sizes, in ASCII and with fewer colours.

Each screen is seen once in every size, with every kind of names and in every look; not in all combinations.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot

from tests.support.odd_names import (
    COMBINING,
    LONG,
    MANY,
    SCENES,
    WIDE,
    without_workers,
    write_music,
    write_runs,
)
from tui.app import GenreApp
from tui.shell.settings import Settings

NAMES = {"long": LONG, "many": MANY, "wide": WIDE, "combining": COMBINING}
SIZES = ((80, 24), (120, 40), (160, 45), (200, 60))
LOOKS = ("unicode", "ascii", "16 colours", "no colour")
SCREENS = ("runs", "watch", "compare", "new run", "classify", "listen", "label", "augmentation")
DIALOGS = ("models", "question", "prompt", "places", "help")

Case = tuple[str, str, tuple[int, int], str]


def cases() -> list[Case]:
    """A Latin square for the screens; the dialogs, which are as wide in all sizes, in two of its columns."""
    square = [
        (scene, list(NAMES)[(row + column) % 4], size, LOOKS[(row + 2 * column + column // 2) % 4])
        for row, scene in enumerate((*SCREENS, *DIALOGS))
        for column, size in enumerate(SIZES)
        if scene in SCREENS or column < 2
    ]
    assert len({(scene, look) for scene, _, _, look in square}) == len(square)
    return square


@pytest.mark.parametrize(("scene", "kind", "size", "look"), cases(), ids=str)
def test_screen(
    snap_compare: Callable[..., bool],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    scene: str,
    kind: str,
    size: tuple[int, int],
    look: str,
) -> None:
    names = NAMES[kind]
    monkeypatch.chdir(tmp_path)
    without_workers(monkeypatch)
    write_music(names)
    write_runs(Path("runs"), names)
    if look == "no colour":
        monkeypatch.setenv("NO_COLOR", "1")
    theme = "16-colour" if look == "16 colours" else "auto"

    async def drive(pilot: Pilot[None]) -> None:
        await SCENES[scene](pilot, names)
        await pilot.pause()

    app = GenreApp(Path("runs"), settings=Settings(theme=theme), ascii=look == "ascii")
    assert snap_compare(app, terminal_size=size, run_before=drive)
