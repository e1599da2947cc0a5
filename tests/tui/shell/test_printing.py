"""Printing never fails on a name, an encoding or a device, and never sends a terminal what it would obey."""

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.util.text import UNSAFE
from tests.support.paths import ROOT
from tui.shell import printing
from tui.shell.printing import DONE, FAILED, USAGE

HOSTILE = "a\x1b[31m\x9b2J\n\u202egpj\udcff\ud800"


def test_everything_for_people_is_safe(capsys: pytest.CaptureFixture[str]) -> None:
    printing.print_line(HOSTILE)
    printing.print_lines(f"{HOSTILE}\nb")
    printing.print_note(HOSTILE)
    printing.print_notes(HOSTILE)
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 4 and len(err.splitlines()) == 3
    assert not UNSAFE.search((out + err).replace("\n", ""))


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.integers(-9, 9) | st.text()))
def test_json_is_escaped_and_reads_back_the_same(value: dict[str, object]) -> None:
    line = printed(printing.print_json, value)
    assert json.loads(line) == value
    assert not UNSAFE.search(line.removesuffix("\n"))


def test_json_holds_no_half_of_a_surrogate_pair() -> None:
    assert json.loads(printed(printing.print_json, {"path": "caf\udce9\x1b", "n": [1.5]})) == {
        "path": "caf\\xe9\x1b",
        "n": [1.5],
    }


def printed(print_: Callable[[object], None], value: object) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as out:
        print_(value)
    return out.getvalue()


def run(code: str, encoding: str = "utf-8") -> "subprocess.CompletedProcess[bytes]":
    program = f"from tui.shell.printing import *; prepare_streams(); {code}"
    environment = os.environ | {"PYTHONIOENCODING": encoding, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True)


@pytest.mark.parametrize("encoding", ["ascii:strict", "iso-8859-1", "cp1252"])
def test_what_an_encoding_lacks_is_shown_by_similar_characters(encoding: str) -> None:
    code = "print_line('Dvořák → ✓'); print_json('→é'); print_note('…'); print_data('x\\udcff')"
    done = run(code, encoding)
    assert done.returncode == 0, done.stderr
    line, value, name = done.stdout.splitlines()
    assert line.decode(encoding.partition(":")[0]).replace("á", "a") == "Dvorak > v"
    assert json.loads(value.decode("ascii")) == "→é"
    assert name == b"x\xff"  # as the file is called
    assert len(done.stderr.splitlines()) == 1


def genre_tui(redirection: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = f'exec "$0" -m tui.cli "$@" {redirection}'
    return subprocess.run(
        ["bash", "-c", command, sys.executable, *arguments], capture_output=True, text=True, cwd=ROOT, timeout=60
    )


@pytest.mark.parametrize("redirection", [">/dev/full", ">&-"])
@pytest.mark.parametrize("command", ["runs --json", "--version", "--help", "completion bash"])
def test_a_full_or_closed_standard_output_is_one_sentence(redirection: str, command: str, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "recipe.json").write_text("{}")
    done = genre_tui(redirection, "--runs", str(tmp_path), *command.split())
    assert done.returncode == FAILED
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("genre-tui: standard output ")


@pytest.mark.parametrize("redirection", [">/dev/full", ">&-"])
def test_without_data_a_full_or_closed_standard_output_does_not_matter(redirection: str, tmp_path: Path) -> None:
    for command, status in (("runs", DONE), ("nonsense", USAGE), ("show nothing", FAILED)):
        done = genre_tui(redirection, "--runs", str(tmp_path), *command.split())
        assert (done.returncode, len(done.stderr.splitlines())) == (status, 1)


@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&-"])
def test_work_continues_without_notes(redirection: str, tmp_path: Path) -> None:
    assert genre_tui(redirection, "--runs", str(tmp_path), "runs").returncode == DONE
    assert genre_tui(f">&- {redirection}", "--version").returncode == FAILED
    assert genre_tui(redirection, "--runs", str(tmp_path), "show", "nothing").returncode == FAILED


def test_a_file_does_not_get_the_number_of_a_closed_stream() -> None:
    code = "import os; from tui.shell import printing; printing.prepare_streams(); assert os.open('/', 0) > 2"
    command = ["bash", "-c", 'exec "$0" -c "$1" <&- >&- 2>&-', sys.executable, code]
    assert subprocess.run(command, cwd=ROOT).returncode == 0
