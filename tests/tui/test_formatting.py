"""Texts in cells, where some characters take two."""

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tui.commands.runs.show import table
from tui.formatting import JOINER, beginning, characters, ending, fitted, padded, shortened

TEXTS = st.text(st.sampled_from("ab -é日語ñ\u0301\u0303\u200d🎵👩\ufe0fหมำ\udcff"), max_size=30) | st.text(max_size=30)


@given(TEXTS, st.integers(0, 20))
def test_a_text_takes_its_cells_and_no_other(text: str, width: int) -> None:
    assert cell_len(fitted(text, width)) == cell_len(fitted(text, width, right=True)) == width
    assert cell_len(shortened(text, width)) <= width
    assert cell_len(ending(text, width)) <= width
    assert cell_len(beginning(text, width)) <= width


@given(TEXTS, st.integers(3, 20))
def test_what_is_cut_says_so_keeps_both_ends_and_parts_no_character(text: str, width: int) -> None:
    cut = shortened(text, width)
    if cell_len(text) <= width:
        assert cut == text.strip(JOINER)
        return
    text = text.strip(JOINER)
    start, end = cut.split("…", 1) if "…" not in text else ("", "")
    assert text.startswith(start) and text.endswith(end)
    whole = characters(text)
    assert start in ("".join(whole[:n]) for n in range(len(whole)))
    assert end in ("".join(whole[n:]) for n in range(len(whole) + 1))


def test_what_fits_stays_and_what_does_not_says_so() -> None:
    assert fitted("jazz", 6) == "jazz  "
    assert fitted("jazz", 6, right=True) == "  jazz"
    assert shortened("日本語", 6) == "日本語"
    assert shortened("日本語の", 6) == "日…の"
    assert shortened("cafe\u0301 noir", 7) == "caf…oir"
    assert ending("日本語の", 6) == "…語の"
    assert beginning("日本語の", 6) == "日本…"
    assert padded("日本", 6) == "日本  "


def test_columns_stand_below_each_other() -> None:
    lines = table([("name", "state"), ("日本語の", "done"), ("plain", "done")]).splitlines()
    assert (
        len({cell_len(line[: line.index(word)]) for line, word in zip(lines, ("state", "done", "done"), strict=True)})
        == 1
    )
