"""The grammar of the command line: its commands, one line and examples for each, and suggestions for what is mistyped.

A command's module is imported only when the command is named, so that ``--help`` is instant.
"""

import argparse
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from tui.shell.printing import print_lines, print_note

PROGRAM = "genre-tui"
MAY_BE_EMPTY = {"text"}
"""Arguments for which empty text is meaningful: an empty note removes the note."""
EPILOG = "Without a command the app opens on its Runs screen. genre-tui COMMAND --help explains a command."


class Command(NamedTuple):
    help: str
    module: str
    examples: tuple[str, ...]
    """Arguments, without the program's name."""
    arguments: str = "add_arguments"
    """The module's function that adds the command's options."""
    run: str = "run"
    """The module's function that runs the command and returns the exit status."""

    def call(self, args: argparse.Namespace) -> int:
        status: int = getattr(import_module(f"tui.commands.{self.module}"), self.run)(args)
        return status


COMMANDS = {
    "train": Command(
        "train a model; Ctrl-C stops and keeps it, --detach returns at once",
        "runs.train",
        (
            "train genres",
            "train genres --preset best --epochs 40 --queue --detach",
            "train genres --encoder musicnn",
            "train genres --set optimiser.warmup=0.1",
        ),
    ),
    "attach": Command(
        "open the Watch screen of a run, by default the newest",
        "runs.manage",
        ("attach", "attach gtzan-quick-3"),
        "add_attach_arguments",
        "attach",
    ),
    "runs": Command(
        "list the runs, and live runs of other folders",
        "runs.show",
        ("runs", "runs --all", "runs --json | jq -r .name"),
        "add_list_arguments",
        "list_runs",
    ),
    "show": Command(
        "show a run as plain text, as JSON, or its history as CSV",
        "runs.show",
        ("show gtzan-quick-3", "show gtzan-quick-3 --csv > history.csv"),
    ),
    "stop": Command(
        "end a run at its next batch, with evaluation and report",
        "runs.manage",
        ("stop gtzan-quick-3",),
        "add_run_arguments",
    ),
    "pause": Command("pause a run at its next batch", "runs.manage", ("pause gtzan-quick-3",), "add_run_arguments"),
    "resume": Command(
        "resume a paused, stopped, failed or lost run exactly where it was",
        "runs.manage",
        ("resume gtzan-quick-3", "resume gtzan-quick-3 --detach"),
        "add_resume_arguments",
    ),
    "extend": Command(
        "train a run for more epochs",
        "runs.manage",
        ("extend gtzan-quick-3 --epochs 40", "extend gtzan-quick-3 --epochs +20"),
        "add_extend_arguments",
    ),
    "queue": Command(
        "list the queued runs, or move one to another place",
        "runs.manage",
        ("queue", "queue gtzan-quick-3 1"),
        "add_queue_arguments",
        "queue",
    ),
    "compare": Command(
        "compare the results of runs, with McNemar's p where they were tested on the same clips",
        "runs.manage",
        ("compare gtzan-quick-3 gtzan-best-1",),
        "add_compare_arguments",
        "compare",
    ),
    "rename": Command(
        "give a run another name", "runs.manage", ("rename gtzan-quick-3 no-mixup",), "add_rename_arguments", "rename"
    ),
    "note": Command(
        "write a note about a run, or print it",
        "runs.manage",
        ("note gtzan-quick-3 diverged", "note gtzan-quick-3"),
        "add_note_arguments",
        "note",
    ),
    "tag": Command(
        "tag a run, or print its tags",
        "runs.manage",
        ("tag gtzan-quick-3 paper mixup", "tag gtzan-quick-3 --remove mixup"),
        "add_tag_arguments",
        "tag",
    ),
    "pin": Command(
        "make a run the baseline that the others of its folder are compared to",
        "runs.manage",
        ("pin gtzan-quick-3", "pin gtzan-quick-3 --remove"),
        "add_pin_arguments",
        "pin",
    ),
    "rm": Command(
        "move runs to the trash of their folder",
        "runs.manage",
        ("rm gtzan-quick-3",),
        "add_remove_arguments",
        "remove",
    ),
    "restore": Command(
        "bring a run back from the trash, or list the trash",
        "runs.manage",
        ("restore", "restore gtzan-quick-3"),
        "add_restore_arguments",
        "restore",
    ),
    "evaluate": Command(
        "evaluate a model on a labelled dataset",
        "evaluate",
        ("evaluate gtzan-quick-3 genres", "evaluate new.pth genres --against default --json"),
    ),
    "crossval": Command(
        "cross-validate a recipe: train it on several splits of a dataset",
        "evaluate",
        ("crossval genres --protocol random --seeds 5", "crossval genres --protocol grouped --groups artist"),
        "add_crossval_arguments",
        "crossval",
    ),
    "classify": Command(
        "classify files and folders",
        "classify.classify",
        (
            "classify song.mp3",
            "classify song.mp3 --json --nearest 5",
            "classify ~/Music --csv genres.csv --skip-existing",
            "classify ~/Music --write-tags",
            "classify gtzan/genres --labels folders",
            "classify --join part-*.jsonl --csv all.csv",
        ),
    ),
    "use": Command(
        "choose the model that classifies from now on, or list the models",
        "models",
        ("use", "use 2026-11", "use default"),
        "add_use_arguments",
        "use",
    ),
    "listen": Command(
        "classify live sound",
        "listen",
        ("listen", "listen --list-devices", "arecord -t wav | genre-tui listen --stdin"),
    ),
    "feed": Command(
        "send standard input to the socket that the Listen screen reads",
        "listen",
        ("arecord -q -f S16_LE -t wav | genre-tui feed",),
        "add_feed_arguments",
        "feed",
    ),
    "similar": Command(
        "list the files of a dataset that sound most like a file",
        "labels",
        ("similar song.mp3 genres", "similar song.mp3 genres --top 30 --playlist alike.m3u8"),
        "add_similar_arguments",
        "similar",
    ),
    "data": Command(
        "check a dataset and its labels, make a synthetic one, preview augmentation, pack and import features",
        "data",
        ("data check genres", "data suspects genres --groups artist", "data pack genres packed", "data ACTION --help"),
    ),
    "encoders": Command(
        "list the pretrained encoders, or download one",
        "models",
        ("encoders", "encoders get musicnn"),
        "add_encoder_arguments",
        "encoders",
    ),
    "serve": Command(
        "serve the classifier over HTTP, with a page for browsers",
        "serve",
        ("serve", "serve --host 0.0.0.0 --token-file token.txt"),
    ),
    "web": Command("serve this app to browsers", "serve", ("web", "web --port 9000"), "add_web_arguments", "web"),
    "export": Command(
        "export a model for other programs (ONNX) or machines (archive of weights), or a run's curves (TensorBoard)",
        "models",
        (
            "export default model.onnx",
            "export gtzan-quick-3 model.zip",
            "export gtzan-quick-3 --tensorboard board --follow",
        ),
        "add_export_arguments",
        "export",
    ),
    "import": Command(
        "import a model from an archive of weights",
        "models",
        ("import model.zip model.pth",),
        "add_import_arguments",
        "run_import",
    ),
    "config": Command(
        "print the settings file of the app, with every setting explained",
        "doctor",
        ("config", "genre-tui config > ~/.config/genre-tui/config.toml"),
        "add_config_arguments",
        "config",
    ),
    "doctor": Command(
        "report what this machine has: GPU, PyTorch, decoders, audio devices, terminal",
        "doctor",
        ("doctor", "doctor --json"),
    ),
    "completion": Command(
        "print a script that completes commands, options, runs and files in a shell",
        "completion",
        ("genre-tui completion bash > ~/.local/share/bash-completion/completions/genre-tui",),
    ),
}


class Parser(argparse.ArgumentParser):
    """argparse with suggestions, whose messages are safe to show."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"formatter_class": _HelpFormatter, **options})

    def parse(self, arguments: Sequence[str]) -> argparse.Namespace:
        """The arguments' values.

        Raises:
            SystemExit: help was printed, or the usage is wrong and a sentence says why.
        """
        parsed, unknown = self.parse_known_args(arguments)
        if unknown:
            parser = self._innermost(parsed)
            options = [option for option in parser._option_string_actions if option.startswith("--")]
            suggestion = did_you_mean(unknown[0].partition("=")[0], options)
            parser.error(f"unrecognized arguments: {' '.join(unknown)}{suggestion}")
        return parsed

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:
        """The value of an argument. Empty text is refused unless the argument is free text."""
        if not isinstance(action, argparse._SubParsersAction):
            for text in arg_strings:
                if not text and action.dest not in MAY_BE_EMPTY:
                    raise argparse.ArgumentError(action, "is empty: give it a value or leave it out")
                if "\0" in text:
                    raise argparse.ArgumentError(action, "holds a NUL character, which no name or path can have")
            if arg_strings == ["--"] and action.nargs is None:  # argparse would drop it and return an empty list
                raise argparse.ArgumentError(action, "has no value but --")
        return super()._get_values(action, arg_strings)

    def _innermost(self, parsed: argparse.Namespace) -> argparse.ArgumentParser:
        """The parser of the command, and of the command's action, that the arguments name."""
        parser: argparse.ArgumentParser = self
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                parser = action.choices.get(getattr(parsed, action.dest, None) or "", self)
                if isinstance(parser, Parser) and parser is not self:
                    return parser._innermost(parsed)
        return parser

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        names = [str(choice) for choice in action.choices]
        suggestion = did_you_mean(str(value), names)
        if isinstance(action, argparse._SubParsersAction):
            choices = f": choose from {', '.join(names)}"
            self.error(f"there is no {action.dest} {str(value)!r}{suggestion or choices}")
        raise argparse.ArgumentError(action, f"there is no {value!r}{suggestion} (choose from {', '.join(names)})")

    def print_help(self, file: object = None) -> None:
        """Help is data: argparse would write it to standard error where standard output is closed."""
        print_lines(self.format_help())

    def error(self, message: str) -> NoReturn:
        print_note(f"{self.prog}: {message} (see {self.prog} --help)")
        raise SystemExit(2)


class _HelpFormatter(argparse.HelpFormatter):
    """Keeps the lines of the examples."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if "\n" in text else super()._fill_text(text, width, indent)


def build_parser(arguments: Sequence[str]) -> Parser:
    """The parser, with options only for the commands that ``arguments`` name: no other module is imported.

    A word can name a command without being one, as the folder does in ``--runs runs train``: that costs an import.
    """
    parser = Parser(
        prog=PROGRAM,
        description="Train music-genre classifiers, watch them live, and point them at files and live sound.",
        epilog=EPILOG,
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    parser.add_argument(
        "--runs", type=Path, metavar="DIR", help="folder with the runs (GENRE_TUI_RUNS, the setting runs, or ./runs)"
    )
    parser.add_argument("--ascii", action="store_true", help="draw the app with ASCII only")
    parser.add_argument("--theme", metavar="NAME", help="colours of the app, instead of the settings' theme")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name, command in COMMANDS.items():
        sub = commands.add_parser(
            name,
            help=command.help,
            description=f"{command.help[0].upper()}{command.help[1:]}.",
            epilog=_examples(command),
        )
        if name in arguments:
            getattr(import_module(f"tui.commands.{command.module}"), command.arguments)(sub)
    return parser


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``; did you mean 'train'?``, or nothing where nothing is close."""
    import difflib

    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def _examples(command: Command) -> str:
    lines = (line if PROGRAM in line else f"{PROGRAM} {line}" for line in command.examples)
    return "examples:\n" + "\n".join(f"  {line}" for line in lines)
