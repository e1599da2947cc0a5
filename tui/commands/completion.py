"""``completion SHELL``: a script that completes commands, options, names of runs and models, fields and files.

The script asks ``genre-tui completion SHELL -- WORD...``, which prints what the last word can become.
"""

import argparse
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import cast

from core.runs.directory import list_runs
from core.util.errors import UserError
from core.util.files import typed_path
from core.util.text import UNSAFE
from tui.commands.parser import build_parser
from tui.shell.printing import DONE, print_data
from tui.shell.settings import default_runs_dir

SCRIPTS = {
    "bash": r"""# bash completion for genre-tui
_genre_tui() {
    local line quoted
    COMPREPLY=()
    while IFS= read -r line; do
        printf -v quoted %q "$line"
        [[ $line == '~/'* ]] && printf -v quoted '~/%q' "${line:2}"
        COMPREPLY+=("$quoted")
    done < <("${COMP_WORDS[0]}" completion bash -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    if [[ ${#COMPREPLY[@]} -eq 1 && $line == *[/=] ]]; then compopt -o nospace; fi
}
complete -F _genre_tui genre-tui
""",
    "zsh": r"""#compdef genre-tui
_genre_tui() {
    local line
    local -a whole open
    for line in "${(@f)$(${words[1]} completion zsh -- "${(@Q)words[2,CURRENT]}" 2>/dev/null)}"; do
        case $line in
            '') ;;
            *[/=]) open+=("$line") ;;
            *) whole+=("$line") ;;
        esac
    done
    compadd -a whole
    compadd -S '' -a open
}
if [[ $funcstack[1] == _genre_tui ]]; then _genre_tui "$@"; else compdef _genre_tui genre-tui; fi
""",
    "fish": """# fish completion for genre-tui
complete -c genre-tui -f -a '(genre-tui completion fish -- (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'
""",
}
DEVICES = ("auto", "cpu", "cuda", "mps")
FOLDERS = ("DIR", "FOLDER", "DATA")
FILES = ("FILE", "PATH", "OUT", "CSV", "JSON", "NPZ", "ARCHIVE", "JOURNAL")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=SCRIPTS, metavar="SHELL", help="bash, zsh or fish")
    parser.add_argument("words", nargs="*", help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    if not args.words:
        print_data(SCRIPTS[args.shell], end="")
        return DONE
    for candidate in candidates(args.words):
        if not UNSAFE.search(candidate):
            print_data(candidate)
    return DONE


def candidates(words: Sequence[str]) -> list[str]:
    """The completions of the last of ``words``, the arguments typed so far."""
    *before, current = (re.sub(r"\\(.)", r"\1", word) for word in words)
    if current == "=":  # bash splits --option=value and field=value in three
        current = ""
    action, parser = _expected(before)
    options = parser._option_string_actions
    option, equals, value = current.partition("=")
    if equals and option in options:
        return [f"{option}={found}" for found in _values(options[option], value, before)]
    if current.startswith("-") and (action is None or not action.option_strings):
        return sorted(option for option in options if option.startswith(current) and option.startswith("--"))
    return [] if action is None else list(_values(action, current, before))


def _expected(before: Sequence[str]) -> tuple[argparse.Action | None, argparse.ArgumentParser]:
    """The option whose value comes next, or the next positional argument; and the innermost parser."""
    parser: argparse.ArgumentParser = build_parser(before)
    positionals = parser._get_positional_actions()
    pending: argparse.Action | None = None
    words = iter(before)
    for word in words:
        if word == "=":
            if pending is None:
                next(words, None)
        elif pending is not None:
            pending = None
        elif word.startswith("-") and word != "-":
            action = parser._option_string_actions.get(word)
            pending = action if action is not None and action.nargs != 0 else None
        elif positionals and isinstance(positionals[0], argparse._SubParsersAction):
            parser = positionals[0].choices.get(word, parser)
            positionals = parser._get_positional_actions()
        elif positionals and positionals[0].nargs not in ("*", "+"):
            positionals = positionals[1:]
    return pending or (positionals[0] if positionals else None), parser


def _values(action: argparse.Action, current: str, before: Sequence[str]) -> Iterator[str]:
    names: Iterable[str] = ()
    if action.choices is not None:
        names = map(str, action.choices)
    elif action.metavar == "auto|cpu|cuda[:N]|mps":
        names = DEVICES
    elif action.metavar == "FIELD=VALUE":
        names = _fields(augmentation="preview" in before)
    elif action.metavar == "RUN":
        names = _runs(before)
    elif action.metavar == "MODEL":
        names = ["default", *_runs(before)]
    yield from (name for name in names if name.startswith(current))
    if action.metavar in (*FOLDERS, *FILES, "MODEL"):
        yield from _paths(current, folders_only=action.metavar in FOLDERS)


def _runs(before: Sequence[str]) -> list[str]:
    try:
        folder = default_runs_dir()
    except UserError:
        return []
    for word, value in zip(before, [*before[1:], ""], strict=True):
        if word == "--runs" or word.startswith("--runs="):
            folder = typed_path(word.partition("=")[2] or value)
    try:
        return [run.name for run in list_runs(folder)]
    except UserError:
        return []


def _fields(*, augmentation: bool) -> list[str]:
    """``epochs=``, ``optimiser.warmup=``: each field of a recipe, or of its augmentation."""
    from core.training.recipe import Recipe, to_dict
    from tui.commands.runs.train import field_names

    plain = to_dict(Recipe(data=""))
    fields = cast("dict[str, object]", plain["augmentation"]) if augmentation else field_names(plain)
    return [f"{field}=" for field in fields]


def _paths(current: str, *, folders_only: bool) -> Iterator[str]:
    head, slash, beginning = current.rpartition("/")
    try:
        entries = sorted(os.scandir(typed_path(head + slash)), key=lambda entry: entry.name)
    except (OSError, ValueError):
        return
    for entry in entries:
        hidden = entry.name.startswith(".") and not beginning.startswith(".")
        if entry.name.startswith(beginning) and not hidden and (entry.is_dir() or not folders_only):
            yield f"{head}{slash}{entry.name}{'/' if entry.is_dir() else ''}"
