"""Foreign text never reaches a terminal with anything in it that the terminal obeys."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.util.text import cells, counted, left_aligned, printable, printable_lines

ANY_TEXT = st.text(st.characters())  # control characters and halves of surrogate pairs included
OBEYED = {"Cc", "Cs", "Zl", "Zp"}
BIDIRECTIONAL = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}


def is_safe(text: str) -> bool:
    return not any(unicodedata.category(c) in OBEYED or unicodedata.bidirectional(c) in BIDIRECTIONAL for c in text)


@given(ANY_TEXT)
def test_one_line_without_control_characters(text: str) -> None:
    assert is_safe(printable(text))
    assert printable(printable(text)) == printable(text)


@given(ANY_TEXT)
def test_several_lines_keep_their_newlines_only(text: str) -> None:
    shown = printable_lines(text)
    assert all(is_safe(line) for line in shown.split("\n"))
    assert shown.count("\n") == text.count("\n")


@pytest.mark.parametrize("text", ["Ünï", "日本語\u3000の曲", "می\u200cخواهم", "👩\u200d🎤", "e\u0301", "a b", "C:\\x"])
def test_letters_of_every_script_stay(text: str) -> None:
    assert printable(text) == printable_lines(text) == text


def test_what_is_escaped_says_what_it_was() -> None:
    assert printable("\x1b[31mred\n\x9b2J\u202egpj") == r"\x1b[31mred\n\x9b2J\u202egpj"
    assert printable(b"caf\xe9".decode("utf-8", "surrogateescape")) == r"caf\xe9"
    assert printable_lines("a\tb\r\nc\rd") == "a       b\nc\\rd"


@pytest.mark.parametrize(
    ("number", "noun", "text"),
    [
        (1, "epoch", "1 epoch"),
        (0, "epoch", "0 epochs"),
        (2, "batch", "2 batches"),
        (1200, "failed write", "1,200 failed writes"),
    ],
)
def test_counts_agree_with_their_noun(number: int, noun: str, text: str) -> None:
    assert counted(number, noun) == text


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("", 0),
        ("jazz", 4),
        ("日本語", 6),
        ("한국 음악", 9),
        ("cafe\u0301", 4),
        ("हिन्दी", 3),
        ("🎵", 2),
        ("a\u200cb", 2),
    ],
)
def test_cells_of_a_terminal(text: str, width: int) -> None:
    assert cells(text) == width
    assert cells(left_aligned(text, 12)) == 12
