"""Completion, asked as the shells' scripts ask it, and by the shells that are installed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tui.commands.completion import SCRIPTS, candidates


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runs, and a folder with a file whose name has a space."""
    for name in ("2026-01_first", "2026-02_second", "näme two"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "recipe.json").write_text("{}")
    (tmp_path / "my music").mkdir()
    (tmp_path / "my music" / "song.mp3").touch()
    (tmp_path / "model.pth").touch()
    (tmp_path / ".hidden").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GENRE_TUI_RUNS", raising=False)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["sh"], ["show"]),
        (["--asc"], ["--ascii"]),
        (["data", "pre"], ["preview"]),
        (["data", "check", "x", "--js"], ["--json"]),
        (["show", "2026"], ["2026-02_second", "2026-01_first"]),
        (["--runs", "nowhere", "show", "2026"], []),
        (["show", "--once", "2026-01"], ["2026-01_first"]),
        (["train", "--preset", "b"], ["best"]),
        (["train", "--preset", "=", "b"], ["best"]),  # as bash cuts --preset=b
        (["train", "--preset=b"], ["--preset=best"]),
        (["train", "--set", "optimiser.warm"], ["optimiser.warmup="]),
        (["data", "preview", "--set", "mixup"], ["mixup=", "mixup_alpha="]),
        (["train", "--device", "c"], ["cpu", "cuda"]),
        (["train", "m"], ["my music/"]),
        (["classify", "m"], ["model.pth", "my music/"]),
        (["classify", "a", "b", r"my\ music/s"], ["my music/song.mp3"]),
        (["classify", "--model", "d"], ["default"]),
        (["evaluate", "n"], ["näme two"]),
        (["classify", "."], [".hidden"]),
        (["completion", ""], ["bash", "zsh", "fish"]),
        (["train", "--epochs", ""], []),
        (["nosuch", "x"], []),
    ],
)  # fmt: skip
def test_candidates(words: list[str], expected: list[str]) -> None:
    assert candidates(words) == expected


def test_every_command_is_a_candidate() -> None:
    assert {"train", "runs", "completion"} <= set(candidates([""]))


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """``genre-tui`` on the path, as a command."""
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "genre-tui"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m tui.cli "$@"\n')
    command.chmod(0o755)
    path = f"{command.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    return os.environ | {"PATH": path, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}


def shell(program: list[str], environment: dict[str, str]) -> list[str]:
    done = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    return done.stdout.splitlines()


def complete_in_bash(words: list[str], environment: dict[str, str]) -> list[str]:
    code = """
        eval "$(genre-tui completion bash)"
        compopt() { :; }  # exists only while a completion is on
        COMP_WORDS=(genre-tui "$@"); COMP_CWORD=$#
        _genre_tui
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    return shell(["bash", "--norc", "-c", code, "bash", *words], environment)


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash(environment: dict[str, str]) -> None:
    assert complete_in_bash(["show", "2026-01"], environment) == ["2026-01_first"]
    assert complete_in_bash(["classify", "my"], environment) == [r"my\ music/"]
    assert complete_in_bash(["train", "--set", "optimiser.warm"], environment) == ["optimiser.warmup="]


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh(environment: dict[str, str]) -> None:
    code = """
        compdef() { :; }
        compadd() { [[ $1 == -S ]] && shift 2; print -rl -- ${(P)2}; }
        eval "$(genre-tui completion zsh)"
        words=(genre-tui "$@"); CURRENT=$#words
        _genre_tui
    """
    given = ["zsh", "-f", "-c", code, "zsh", "classify", "m"]
    assert [line for line in shell(given, environment) if line] == ["model.pth", "my music/"]


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish(environment: dict[str, str]) -> None:
    code = "genre-tui completion fish | source; complete --do-complete 'genre-tui show 2026-01'"
    assert shell(["fish", "--no-config", "-c", code], environment) == ["2026-01_first"]


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_are_printed(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    from tui.cli import main

    assert main(["completion", name]) == 0
    assert capsys.readouterr().out == SCRIPTS[name]
