"""What does not fit loses whole words."""

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.content import Content

from tui.widgets.text import clipped


@given(st.lists(st.text("abc日", min_size=1, max_size=6), min_size=1, max_size=8), st.integers(1, 40))
def test_a_sentence_is_cut_between_words(words: list[str], width: int) -> None:
    sentence = " ".join(words)
    cut = clipped(Content(sentence), width).plain
    assert cell_len(cut) <= width
    if cell_len(sentence) <= width:
        assert cut == sentence
    else:
        assert cut.endswith("…") and sentence.startswith(cut[:-1])
        if cut[:-1] not in [" ".join(words[:count]) for count in range(1, len(words))]:
            # A word is cut only where leaving it out would lose more than half of the line.
            assert cut.rfind(" ") <= len(cut) // 2


def test_the_words_that_remain_keep_their_style() -> None:
    line = Content.assemble(("bold words", "bold"), " and plain ones")
    cut = clipped(line, 16)
    assert cut.plain == "bold words and…"
    assert [(span.start, span.end, span.style) for span in cut.spans] == [(0, 10, "bold")]
