"""``--ascii``: nothing else leaves for the terminal, and no row changes its width."""

import os
import signal
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tests.support import example_run as made_up_run
from tests.support.pseudo_terminal import CONTROL, PseudoTerminal
from tui.shell.line_filters import to_ascii


@given(st.text(alphabet=st.characters(exclude_categories=["Cc", "Cs", "Mn", "Me", "Cf", "Mc", "Cn"]), max_size=20))
def test_ascii_in_as_many_cells(text: str) -> None:
    plain = to_ascii(text)
    assert plain.isascii()
    assert len(plain) == cell_len(text)


@pytest.mark.parametrize(
    ("glyphs", "plain"), [("✓ ■ ✗ ● ★", "v # x o *"), ("┌─┐│", "+-+|"), ("━━╸ ▲▼", "--- ^v"), ("Dvořák", "Dvorak")]
)
def test_marks_stay_apart(glyphs: str, plain: str) -> None:
    assert to_ascii(glyphs) == plain
    assert to_ascii(string.printable) == string.printable


def test_not_a_byte_above_127_reaches_the_terminal(tmp_path: Path) -> None:
    run = made_up_run.write_run(tmp_path / "runs" / "first", made_up_run.whole(5))
    with PseudoTerminal(["--ascii", "--runs", str(run.parent)], tmp_path, environment={"LANG": "C"}) as terminal:
        terminal.read_until("first")
        for keys in ("?", "\x1b", "n", "\x14", "\x1b", "\x1b", "d", "n", "2", "3", "4", "1", "\x10", "\x1b"):
            terminal.type(keys)
            terminal.read_for(0.4)
        os.kill(terminal.pid, signal.SIGTERM)  # whatever dialog a busy machine has come to
        assert terminal.wait() == 128 + signal.SIGTERM
        assert CONTROL.sub(b"", terminal.output).isascii()
