"""Suggestions for mistyped words, and the help of every command and option."""

import argparse
from collections.abc import Iterator
from pathlib import Path

import pytest

from tui.cli import main
from tui.commands.parser import COMMANDS, Parser, build_parser
from tui.shell.printing import USAGE

EVERYTHING = build_parser(list(COMMANDS))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["trian"], "there is no command 'trian'; did you mean 'train'?"),
        (["data", "chekc"], "there is no action 'chekc'; did you mean 'check'?"),
        (["runs", "--jsn"], "did you mean '--json'?"),
        (["data", "check", "x", "--jsno"], "did you mean '--json'?"),
        (["--them", "x", "--asci", "--ascii-only"], "did you mean '--ascii'?"),
        (["train", "x", "--preset", "bets"], "did you mean 'best'?"),
        (["train", "x", "--set", "optimiser.warmpu=1"], "did you mean 'optimiser.warmup'?"),
        (["train", "x", "--set", "epoch=1"], "did you mean 'epochs'? (fields: data, preset, model,"),
        (["train", "x", "--set", "model=smal_cnn"], "did you mean 'small_cnn'?"),
        (["train", "x", "--set", "epochs=many"], "invalid recipe: epochs: expected int, got str"),
        (["zzzz\x1b[31m"], r"there is no command 'zzzz\x1b[31m': choose from train, attach,"),
        (["runs", "\x1b[31m\n"], r"unrecognized arguments: \x1b[31m\n"),
    ],
)
def test_a_mistyped_word(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pathlib.Path.is_dir", lambda _: True)  # the dataset is looked at first
    assert main(arguments) == USAGE
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (["train", ""], "DATA"),
        (["train", "x", "--encoder", ""], "--encoder"),
        (["train", "x", "--labels="], "--labels"),
        (["train", "x", "--name", ""], "--name"),
        (["train", "x", "--groups", ""], "--groups"),
        (["crossval", "x", "--encoder", ""], "--encoder"),
        (["data", "check", "x", "--map", ""], "--map"),
        (["data", "check", ""], "DATA"),
        (["data", "check", "x", "--label-column", ""], "--label-column"),
        (["data", "split", "x", "--out", ""], "--out"),
        (["classify", "x", "--index", ""], "--index"),
        (["classify", "a.mp3", ""], "PATH"),
        (["tag", "run", ""], "TAG"),
        (["runs", "--runs", ""], "--runs"),
        (["--theme", ""], "--theme"),
    ],
)
def test_an_empty_text_is_not_a_value(arguments: list[str], option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == USAGE
    (line,) = capsys.readouterr().err.splitlines()
    assert f"argument {option}" in line and "is empty: give it a value or leave it out" in line


@pytest.mark.parametrize(
    "arguments",
    [
        ["runs", "--sort=--"],
        ["rename", "--", "run", "--"],
        ["train", "x", "--labels=--"],
        ["classify", "x", "--map=--"],
    ],
)
def test_two_hyphens_are_not_a_value(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == USAGE
    (line,) = capsys.readouterr().err.splitlines()
    assert "has no value but --" in line


def test_a_nul_character_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", "a\0b"]) == USAGE
    (line,) = capsys.readouterr().err.splitlines()
    assert "holds a NUL character" in line


def test_an_empty_note_removes_the_note() -> None:
    assert EVERYTHING.parse(["note", "run", ""]).text == ""


def test_a_filter_is_checked_where_no_run_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for text in ("((", "/((/", "val>x"):
        assert main(["runs", "--runs", str(tmp_path), "--filter", text]) == USAGE
        assert capsys.readouterr().err.startswith("genre-tui: --filter: ")


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for sub in action.choices.values():
                yield from parsers(sub)


@pytest.mark.parametrize("parser", parsers(EVERYTHING), ids=lambda parser: parser.prog)
def test_every_argument_is_explained(parser: Parser) -> None:
    unexplained = [action for action in parser._actions if not action.help]
    assert not [action for action in unexplained if not isinstance(action, argparse._SubParsersAction)]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_ends_with_examples_that_parse(name: str) -> None:
    parser = next(parser for parser in parsers(EVERYTHING) if parser.prog == f"genre-tui {name}")
    lines = parser.format_help().rpartition("examples:\n")[2].splitlines()
    assert lines
    for line in lines:
        _, _, arguments = line.partition("genre-tui ")
        words = arguments.split(" > ")[0].split(" | ")[0].split()
        assert words[0] == name
        if "ACTION" not in words:
            assert EVERYTHING.parse(words).command == name
