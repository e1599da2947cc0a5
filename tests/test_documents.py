"""What README and docs say exists (commands, options, files, links, modules, fields of the recipe), and what their
examples show is what happens."""

import argparse
import doctest
import importlib.util
import re
import shlex
from pathlib import Path

import pytest

from core.training.presets import preset
from core.training.recipe import to_dict
from tests.support.paths import ROOT
from tui.commands.parser import COMMANDS, build_parser
from tui.commands.runs.train import field_names

DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
NAMES = [str(path.relative_to(ROOT)) for path in DOCUMENTS]
ENDS = ("|", ">", ">>", ";", "&&", "&", "<", "2>")
FOLDERS = ("", "core", "tui", "core/inference")
"""Where a path in a document may begin."""


def text_of(name: str) -> str:
    return (ROOT / name).read_text()


def code_of(name: str) -> list[str]:
    """Lines of code blocks, and what stands in backticks."""
    text = text_of(name)
    fenced = [line for block in re.findall(r"```\w*\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    indented = re.findall(r"^ {4}(?![*-] )(\S.*)$", text, re.MULTILINE)
    inline = [
        " ".join(code.split()) for code in re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    ]
    return [*fenced, *indented, *inline]


def commands_of(name: str) -> list[list[str]]:
    """The arguments of each ``genre-tui`` and each ``make run``."""
    found = []
    for line in code_of(name):
        given = re.findall(r'make run ARGS="([^"]*)"|make run ARGS=(\w+)', line)
        found += [shlex.split("".join(arguments)) for arguments in given if arguments != ("...", "")]
        if not re.search(r"(?:^|[|;&(] ?|\bssh \S+ )(?:[A-Z_]+=\S+ )*genre-tui(?= |$)", line):
            continue
        # What two spaces or more part from the command explains it.
        command = re.split(r"(?<=\S) {2,}", line.partition("genre-tui")[2])[0]
        command = re.sub(r"[\[\]]|(?<!\S)\.\.\.(?!\S)", "", command).replace("\\|", "/").replace("SHELL", "bash")
        words = shlex.split(command, comments=True)
        end = next((i for i, word in enumerate(words) if word.startswith(ENDS)), len(words))
        found.append(words[:end])
    return found


@pytest.mark.parametrize("name", NAMES)
def test_every_command_line_is_understood(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = []
    for arguments in commands_of(name):
        try:
            build_parser(arguments).parse(arguments)
        except SystemExit as end:
            if end.code:
                wrong.append((arguments, capsys.readouterr().err))
    assert not wrong


def test_the_readme_has_commands_that_are_checked() -> None:
    assert len(commands_of("README.md")) >= 10
    assert {arguments[0] for arguments in commands_of("README.md") if arguments} > {"train", "runs", "classify", "use"}


def test_the_readme_names_every_command_and_no_other_option() -> None:
    rows = re.findall(r"^\| (`[^|]*`) \| (.*) \|$", text_of("README.md").replace("\\|", "/"), re.MULTILINE)
    named = {command for cells, _ in rows for command in re.findall(r"`([\w-]+)", cells)}
    assert set(COMMANDS) <= named
    assert named - set(COMMANDS) == {"genre-tui"}
    for cells, text in rows:
        options = set(re.findall(r"--[\w-]+", cells + text))
        known = {"--help"}
        for command in set(re.findall(r"`([\w-]+)", cells)) & set(COMMANDS):
            known |= options_of(command)
        for command in re.findall(r"`([\w-]+) [^`]*--", text):  # an example of another command
            known |= options_of(command) if command in COMMANDS else set()
        assert options <= known, cells


def options_of(command: str) -> set[str]:
    parsers = [build_parser([command])]
    found: set[str] = set()
    while parsers:
        parser = parsers.pop()
        for action in parser._actions:
            found |= set(action.option_strings)
            if isinstance(action, argparse._SubParsersAction):
                parsers += [sub for name, sub in action.choices.items() if command in (name, parser.prog.split()[-1])]
    return found


@pytest.mark.parametrize("name", NAMES)
def test_every_link_leads_somewhere(name: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", text_of(name)):
        if re.match(r"\w+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / name).parent / path if path else ROOT / name
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
            assert anchor in [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings], target


@pytest.mark.parametrize("name", [name for name in NAMES if name != "CHANGELOG.md"])
def test_every_file_and_module_that_is_named_exists(name: str) -> None:
    text = text_of(name)
    for path in set(re.findall(r"(?<![\w/.~-])(?:[a-z_]+/)+[a-z_]+\.(?:py|toml|md|js|html)\b", text)):
        assert any((ROOT / folder / path).exists() for folder in FOLDERS), path
    for module in set(re.findall(r"(?:python -m|from|import) ((?:core|tui|benchmarks|tools)(?:\.\w+)*)", text)):
        assert importlib.util.find_spec(module) is not None, module


@pytest.mark.parametrize("name", NAMES)
def test_every_field_that_is_set_is_one_of_the_recipe(name: str) -> None:
    fields = {*field_names(to_dict(preset("best", ""))), *field_names(to_dict(preset("seed", "")))}
    for field in re.findall(r"--set (\w[\w.]*)=", text_of(name)):
        if field != "FIELD" and not field.startswith("model_options."):
            assert field in fields or f"augmentation.{field}" in fields, field


@pytest.mark.slow
@pytest.mark.parametrize("page", ["docs/python.md"])
def test_the_examples_of(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GENRE_TUI_CACHE", str(tmp_path / "cache"))
    failed, tried = doctest.testfile(str(ROOT / page), module_relative=False)
    assert tried > 20
    assert failed == 0
