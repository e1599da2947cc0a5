"""Texts in cells, where some characters take two."""

import pytest
from rich.cells import cell_len

from tui.commands.runs.show import table
from tui.text.cells import fitted, fitted_name, padded, shortened


@pytest.mark.parametrize("text", ["", "jazz", "日本語の曲", "a日b本c語d", "x" * 40])
@pytest.mark.parametrize("width", [5, 6, 7, 20])
def test_a_fitted_text_takes_its_cells_and_no_other(text: str, width: int) -> None:
    assert cell_len(fitted(text, width)) == cell_len(fitted(text, width, right=True)) == width


def test_what_fits_stays_and_what_does_not_says_so() -> None:
    assert fitted("jazz", 6) == "jazz  "
    assert fitted("jazz", 6, right=True) == "  jazz"
    assert shortened("日本語", 6) == "日本語"
    assert shortened("日本語の", 6).endswith("…")
    assert padded("日本", 6) == "日本  "


def test_columns_stand_below_each_other() -> None:
    lines = table([("name", "state"), ("日本語の", "done"), ("plain", "done")]).splitlines()
    assert (
        len({cell_len(line[: line.index(word)]) for line, word in zip(lines, ("state", "done", "done"), strict=True)})
        == 1
    )


@pytest.mark.parametrize("width", [5, 8, 17, 30])
@pytest.mark.parametrize(
    "name", ["a.au", "Miles Davis - So What (Legacy Edition).au", "中文歌曲名字很长很长很长很长.mp3"]
)
def test_a_long_name_keeps_both_ends(name: str, width: int) -> None:
    cut = fitted_name(name, width)
    assert cell_len(cut) == width
    if cell_len(name) <= width:
        assert cut.rstrip() == name
    else:
        before, after = cut.rstrip().split("…")
        assert name.startswith(before.rstrip())
        assert name.endswith(after)
        assert after
