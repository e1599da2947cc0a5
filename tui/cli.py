"""The command line. Standard output is data, standard error is narration; a command is imported when it is called.

Exit status: 0 done; 1 some input failed; 2 wrong usage; 130 interrupted.
"""

import argparse
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from core.util.errors import UserError
from tui.commands.exit_codes import DONE, FAILED, INTERRUPTED, USAGE, UsageError


class Command(NamedTuple):
    help: str
    module: str
    arguments: str = "add_arguments"
    """The module's function that adds the command's options."""


COMMANDS = {
    "train": Command("train a model; Ctrl-C stops and keeps it; --detach returns at once", "runs.train"),
    "attach": Command("the Watch screen on a run, the newest by default", "runs.attach"),
    "runs": Command("what runs there are", "runs.list"),
    "show": Command("a run in plain text, as JSON, or its history as CSV", "runs.show"),
    "stop": Command("end a run at its next batch, with evaluation and report", "runs.control", "add_run_arguments"),
    "pause": Command("pause a run at its next batch", "runs.control", "add_run_arguments"),
    "resume": Command("resume a paused, stopped, failed or lost run exactly", "runs.control", "add_resume_arguments"),
    "extend": Command("train a run for more epochs", "runs.control", "add_extend_arguments"),
    "evaluate": Command("a model on a labelled dataset", "evaluation.evaluate"),
    "crossval": Command("how good a recipe is, trained anew on several divisions of a dataset", "evaluation.crossval"),
    "classify": Command("the genres of files and folders", "classify.classify"),
    "listen": Command("the genre of live sound", "listen"),
    "feed": Command("standard input to the socket that the Listen screen reads", "feed"),
    "data": Command("check a dataset, make a synthetic one, pack and import features", "data"),
    "serve": Command("the classifier over HTTP, with a page for browsers", "serve"),
    "web": Command("this app in a browser", "web"),
    "export": Command("a model for other programs and other machines: ONNX, or an archive of weights", "export"),
    "import": Command("a model from such an archive", "import_model"),
    "config": Command("the settings of the app, each explained, as a file to change", "config"),
    "doctor": Command("what this machine has: GPU, PyTorch, decoders, audio devices, terminal", "doctor"),
}

EPILOG = "Without a command the app opens on its Runs screen. genre-tui COMMAND --help says more about one."


def main(argv: list[str] | None = None) -> int:
    """Runs one command and returns its exit status."""
    arguments = sys.argv[1:] if argv is None else argv
    try:
        status = _run(arguments)
        sys.stdout.flush()
        return status
    except SystemExit as exit_:  # argparse has spoken already
        return exit_.code if isinstance(exit_.code, int) else USAGE
    except UserError as error:
        print(f"genre-tui: {error}", file=sys.stderr)
        return USAGE if isinstance(error, UsageError) else FAILED
    except KeyboardInterrupt:
        print("genre-tui: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has had enough of it; nothing is left for the interpreter to flush at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except Exception as error:
        print(f"genre-tui: this should not have happened: {_in_one_line(error)}; see {_log(error)}", file=sys.stderr)
        return FAILED


def parser_for(arguments: list[str]) -> argparse.ArgumentParser:
    """The parser, with options only for commands that ``arguments`` name: no other module is imported.

    A word may name a command and be none, as the folder does in ``--runs runs train``: it only costs an import.
    """
    parser = argparse.ArgumentParser(
        prog="genre-tui",
        description="Train music-genre classifiers, watch them live, and point them at files and live sound.",
        epilog=EPILOG,
    )
    parser.add_argument("--version", action="store_true", help="say which version this is and exit")
    parser.add_argument("--runs", type=Path, metavar="DIR", help="where the runs live (GENRE_TUI_RUNS, or ./runs)")
    parser.add_argument("--ascii", action="store_true", help="draw the app with ASCII only")
    parser.add_argument("--theme", metavar="NAME", help="colours of the app, instead of the settings' theme")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name, command in COMMANDS.items():
        sub = commands.add_parser(name, help=command.help, description=_sentence(command.help))
        if name in arguments:
            getattr(import_module(f"tui.commands.{command.module}"), command.arguments)(sub)
    return parser


def _run(arguments: list[str]) -> int:
    args = parser_for(arguments).parse_args(arguments)
    if args.version:
        print(f"genre-tui {_version()}")
        return DONE
    if args.command is None:
        from core.runs.directory import default_runs_dir
        from tui.launch import run_app

        return run_app(args.runs or default_runs_dir(), ascii=args.ascii, theme=args.theme)
    status: int = import_module(f"tui.commands.{COMMANDS[args.command].module}").run(args)
    return status


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("genre-tui")
    except PackageNotFoundError:
        return "(not installed)"


def _in_one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def _log(error: Exception) -> str:
    """Appends the traceback to a log and returns where that is."""
    import tempfile
    import time
    import traceback

    from tui.shell.terminal import log_path

    story = f"{time.strftime('%Y-%m-%d %H:%M:%S')} {' '.join(sys.argv)}\n{''.join(traceback.format_exception(error))}\n"
    for path in (log_path().with_name("errors.log"), Path(tempfile.gettempdir()) / "genre-tui-errors.log"):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a") as log:
                log.write(story)
            return str(path)
        except OSError:
            continue  # a home that cannot be written to
    sys.stderr.write(story)
    return "the traceback above"


if __name__ == "__main__":
    sys.exit(main())
